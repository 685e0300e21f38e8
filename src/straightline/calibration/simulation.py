"""How often the verdict errs: the whole procedure, real networks included, on many tables whose truth is known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from straightline.calibration import truths
from straightline.calibration.truths import Truth, World
from straightline.comparison.findings import decide
from straightline.comparison.significance import Comparison
from straightline.comparison.verdict import Finding
from straightline.config.settings import Fit, Folds, Verdict
from straightline.data.folds import Fold, Split
from straightline.data.rows import Rows, joined
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.models.neural import Neural
from straightline.regression import exact
from straightline.training import fit
from straightline.training.batches import Replica
from straightline.training.plan import descent_settings
from straightline.training.predictors import stacked_predictions
from straightline.training.variants import fold_replicas, regression_losses

REPLICA_EPOCHS = 2**24  # that are trained at once: their losses take 16 bytes each


@dataclass(frozen=True)
class Outcome:
    """What the folds of one table said: both models' losses, and the mean loss of predicting the mean."""

    comparison: Comparison
    mean_loss: float


def tables(
    world: World, truth: Truth, noise: str, numbers: Sequence[int], folds: Folds, seed: int
) -> list[tuple[TrainingTable, list[Fold]]]:
    """Draw the tables `numbers`, each with its folds; one whose rarer class is too small for them is drawn again."""
    swing = truths.amplitude(world, truth, np.random.default_rng([seed, 0]))
    is_stratified = world.family.strata(np.zeros(1)) is not None
    shared = None if is_stratified else Split().folds(world.rows, folds.k, folds.repeats or 1, folds.seed)
    drawn = []
    for number in numbers:
        random = np.random.default_rng([seed, 1, number])
        features, labels = truths.table(world, truth, noise, swing, random)
        while not world.family.has_enough_for(labels, folds.k):
            features, labels = truths.table(world, truth, noise, swing, random)
        names = [f"x{column + 1}" for column in range(features.shape[1])]
        one = TrainingTable(held(Rows(features, labels)), labels, names, world.family, standardize=True)
        parts = shared or one.split.folds(len(labels), folds.k, folds.repeats or 1, folds.seed)
        drawn.append((one, parts))
    return drawn


def batch_size(one: TrainingTable, settings: Neural, how: Fit, folds: Folds) -> int:
    """Return of how many tables like `one` the networks are trained at once."""
    fits = folds.k * (folds.repeats or 1) * (folds.seeds or 1)
    return max(1, REPLICA_EPOCHS // (fits * descent_settings(one, settings, how).epochs))


def outcomes(
    drawn: Sequence[tuple[TrainingTable, list[Fold]]],
    model: keras.Model,
    predicting: keras.Model,
    settings: Neural,
    how: Fit,
    folds: Folds,
    on_epoch: fit.OnEpoch = lambda epoch, running, first: None,
) -> list[Outcome]:
    """Compare regression and network on each of the tables `drawn`, all networks in one stack.

    `model` and `predicting` are what `settings` build, with a linear output and with that of the family; the same ones
    for several calls are compiled once.
    """
    every = joined([one.source.read(one.source.groups) for one, _ in drawn])
    features, labels = every.features, every.labels
    first, seeds = drawn[0][0], folds.seeds or 1
    replicas, tested, regressions = [], [], []
    planned: dict[int, list[Replica]] = {}  # tables may share their folds
    for number, (one, parts) in enumerate(drawn):
        shift = np.int32(number * len(first.labels))
        fits, losses = _regressions(one, parts)
        regressions.append(losses)
        for part, exactly in zip(parts, fits, strict=True):
            line = exactly.coefficients if settings.from_regression else None
            if id(part) not in planned:
                planned[id(part)] = fold_replicas(one, part, seeds, how)
            for replica in planned[id(part)]:
                train, validation = replica.train + shift, replica.validation + shift
                replicas.append(replace(replica, train=train, validation=validation, line=line))
                tested.append(part.test + shift)
    fitted = fit.fit(model, held(every), replicas, descent_settings(first, settings, how), on_epoch)
    predictions = stacked_predictions(predicting, fitted, [features[rows] for rows in tested])
    scored = [first.family.mean_loss(labels[rows], found) for rows, found in zip(tested, predictions, strict=True)]
    neural = np.reshape(scored, (len(drawn), -1, seeds)).mean(axis=2)
    return [_outcome(losses, own, folds.k) for losses, own in zip(regressions, neural, strict=True)]


def _regressions(one: TrainingTable, parts: list[Fold]) -> tuple[list[exact.Optimum], list[dict[str, float]]]:
    every = np.arange(len(one.labels), dtype=np.int32)
    (best,) = exact.optima(one.source, [every], one.family, one.names, inference=False)
    return regression_losses(one, parts, best)


def _outcome(losses: list[dict[str, float]], neural: NDArray, k: int) -> Outcome:
    regression, mean = (np.array([loss[key] for loss in losses]) for key in ("loss", "mean_loss"))
    return Outcome(Comparison(regression, neural, k), float(mean.mean()))


def mean_gain(found: Sequence[Outcome]) -> float:
    """Return the margin at which regression and network differ by nothing, on the mean over all tables."""
    baseline, challenger = (
        sum(float(side.mean()) for side in sides)
        for sides in zip(*((one.comparison.baseline, one.comparison.challenger) for one in found), strict=True)
    )
    return 1 - challenger / baseline


def findings(found: Sequence[Outcome], verdict: Verdict, margin: float, rows: int) -> dict[str, int]:
    """Return how many tables ended in which finding at `margin`."""
    counts = Counter(
        decide({"network": one.comparison}, one.mean_loss, margin, verdict.confidence, rows).best.finding
        for one in found
    )
    return {finding.value: counts[finding] for finding in Finding}


def rate_interval(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a rate (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, of).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def summary(found: Sequence[Outcome], verdict: Verdict, rows: int, truth: Truth) -> dict[str, float | int | None]:
    """Return the counts of findings, the rate of `challenger_better`, and, for a curve, that rate at the edge.

    At the edge the margin is the mean gain of the procedure itself. To say there that the network is better by more
    would be wrong half the time if the test did not prevent it.
    """
    counts = findings(found, verdict, verdict.margin, rows)
    gain = mean_gain(found)
    edge = findings(found, verdict, gain, rows)["challenger_better"] if truth.gain and gain > 0 else None
    low, high = rate_interval(counts["challenger_better"], len(found))
    edge_low, edge_high = (None, None) if edge is None else rate_interval(edge, len(found))
    return {
        **counts,
        "rate": counts["challenger_better"] / len(found),
        "rate_low": low,
        "rate_high": high,
        "mean_gain": gain,
        "edge_challenger_better": edge,
        "edge_rate": None if edge is None else edge / len(found),
        "edge_low": edge_low,
        "edge_high": edge_high,
        "margin": verdict.margin,
        "confidence": verdict.confidence,
    }
