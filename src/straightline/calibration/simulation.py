"""Measures how often the verdict is wrong, by running the whole procedure on many tables with a known truth.

The networks are really trained, those of a batch of tables together (`networks.py`).
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from straightline.calibration import truths
from straightline.calibration.networks import Drawn, network_losses
from straightline.calibration.outcome import Outcome
from straightline.calibration.scenarios import Scenario
from straightline.calibration.truths import Truth
from straightline.comparison.findings import decide
from straightline.comparison.significance import FoldLosses
from straightline.comparison.verdict import Finding
from straightline.config.settings import Fit, Folds, Verdict
from straightline.data.folds import Fold, Split
from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.models import Averaged, Neural, Regression
from straightline.regression import exact
from straightline.training import fit
from straightline.training.lines import penalties
from straightline.training.plan import descent_settings
from straightline.training.regression_variant import RegressionFit, regression_fits

DRAWS = 1000  # most draws of a table, until each of its classes has enough rows for the folds
AVERAGED_TABLES = 4  # tables whose averaged networks are trained together: more would train no faster
REPLICA_EPOCHS = 2**24  # most epochs, summed over replicas, of one fit: the losses of each take 16 bytes


def tables(
    scenario: Scenario, numbers: Sequence[int], folds: Folds, seed: int
) -> list[tuple[TrainingTable, list[Fold]]]:
    """Draw the tables of a scenario with these numbers, each with its folds.

    A table is drawn again if its rarest class is too small for the folds. Raises UserError if the world has too few
    rows for the folds, or if its rarest class is almost always too small for them.
    """
    world, noise, truth = scenario.world, scenario.noise, scenario.truth
    is_stratified = world.family.strata(np.zeros(1)) is not None
    shared = Split().folds(world.rows, folds.k, folds.repeats or 1, folds.seed)
    amplitude = truths.amplitude(world, truth, np.random.default_rng([seed, 0]))
    drawn = []
    for number in numbers:
        random = np.random.default_rng([seed, 1, number])
        draws = (truths.table(world, truth, noise, amplitude, random) for _ in range(DRAWS))
        drawn_table = next((rows for rows in draws if world.family.has_enough_for(rows[1], folds.k)), None)
        if drawn_table is None:
            raise UserError(
                f"in {DRAWS:,} simulated tables of {world.rows:,} rows the rarest class had too few rows for {folds.k} "
                "folds; simulate more rows, or set folds.k to a smaller number"
            )
        features, labels = drawn_table
        names = [f"x{column + 1}" for column in range(features.shape[1])]
        table = TrainingTable(held(Rows(features, labels)), labels, names, world.family, standardize=True)
        parts = shared if not is_stratified else table.split.folds(len(labels), folds.k, folds.repeats or 1, folds.seed)
        drawn.append((table, parts))
    return drawn


def batch_size(table: TrainingTable, model_settings: Neural | Averaged, fit_settings: Fit, folds: Folds) -> int:
    """Return the number of tables like `table` whose networks are trained together."""
    if isinstance(model_settings, Averaged):
        return AVERAGED_TABLES
    fits = folds.k * (folds.repeats or 1) * (folds.seeds or 1)
    return max(1, REPLICA_EPOCHS // (fits * descent_settings(table, model_settings, fit_settings).epochs))


def outcomes(
    drawn: Drawn,
    model_settings: Neural | Averaged,
    baseline: Regression,
    fit_settings: Fit,
    folds: Folds,
    on_epoch: fit.OnEpoch = lambda epoch, running, first: None,
) -> list[Outcome]:
    """Compare the regression `baseline` and the network on each of the tables `drawn`; all networks train together."""
    regressions = [_regressions(table, parts, baseline, fit_settings.seed) for table, parts in drawn]
    networks = network_losses(drawn, model_settings, fit_settings, folds.seeds or 1, on_epoch)
    return [
        _outcome([fold.losses for fold in fitted], losses, folds.k)
        for fitted, losses in zip(regressions, networks, strict=True)
    ]


def _regressions(table: TrainingTable, parts: list[Fold], settings: Regression, seed: int) -> list[RegressionFit]:
    row_numbers = np.arange(len(table.labels), dtype=np.int32)
    (best,) = exact.optima(
        table.source, [row_numbers], table.family, table.names, inference=None, intercept=settings.intercept
    )
    return regression_fits(table, parts, penalties(table, parts, settings, seed), best)


def _outcome(losses: list[dict[str, float]], network: NDArray, k: int) -> Outcome:
    regression, mean = (np.array([loss[key] for loss in losses]) for key in ("loss", "mean_loss"))
    return Outcome(FoldLosses({"regression": regression, "network": network}, "regression", mean, k))


def mean_gain(outcomes: Sequence[Outcome]) -> float:
    """Return the relative gain of the network over the regression, from their mean losses over all tables.

    With this number as the margin, the two are equally good on average.
    """
    baseline = sum(float(outcome.comparison.baseline.mean()) for outcome in outcomes)
    challenger = sum(float(outcome.comparison.challenger.mean()) for outcome in outcomes)
    return 1 - challenger / baseline


def findings(outcomes: Sequence[Outcome], verdict: Verdict, margin: float, rows: int) -> dict[str, int]:
    """Return the number of tables with each finding at `margin`, and of those with the answer `neither`.

    A table with this answer has a finding too.
    """
    decisions = [decide(outcome.losses, margin, verdict.confidence, rows) for outcome in outcomes]
    counts = Counter(decision.best.finding for decision in decisions)
    neither = sum(decision.answer == "neither" for decision in decisions)
    return {finding.value: counts[finding] for finding in Finding} | {"neither": neither}


def rate_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of the rate `count` / `total` (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def _learned_rows(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the mean number of rows that networks on growing samples learned from, or nothing without samples."""
    rows = [outcome.rows for outcome in outcomes if outcome.rows is not None]
    return {"learned_rows": float(np.mean(rows))} if rows else {}


def summary(outcomes: Sequence[Outcome], verdict: Verdict, rows: int, truth: Truth) -> dict[str, float | int | None]:
    """Return the counts of findings, the rate of `challenger_better`, and, for a curve, this rate at the edge.

    For a curve, `share_of_gain` is the mean gain as a share of the gain of the truth itself.

    At the edge, the margin equals the mean gain of the procedure itself. A claim that the network is better by more
    than that would be wrong half the time if the test did not prevent it.
    """
    counts = findings(outcomes, verdict, verdict.margin, rows)
    gain = mean_gain(outcomes)
    edge = findings(outcomes, verdict, gain, rows)["challenger_better"] if truth.gain and gain > 0 else None
    low, high = rate_interval(counts["challenger_better"], len(outcomes))
    edge_low, edge_high = (None, None) if edge is None else rate_interval(edge, len(outcomes))
    return {
        **counts,
        "rate": counts["challenger_better"] / len(outcomes),
        "rate_low": low,
        "rate_high": high,
        "mean_gain": gain,
        "share_of_gain": gain / truth.gain if truth.gain else None,
        "edge_challenger_better": edge,
        "edge_rate": None if edge is None else edge / len(outcomes),
        "edge_low": edge_low,
        "edge_high": edge_high,
        "margin": verdict.margin,
        "confidence": verdict.confidence,
    } | _learned_rows(outcomes)
