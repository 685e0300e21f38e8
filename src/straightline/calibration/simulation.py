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
from straightline.comparison.verdict import ANSWERS, Comparison, decide
from straightline.config.settings import Fit, Folds, Verdict
from straightline.data.folds import Fold, Split
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.families.scores import mean_loss
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
    baseline_loss: float


def tables(
    world: World, truth: Truth, noise: str, numbers: Sequence[int], folds: Folds, seed: int
) -> list[tuple[TrainingTable, list[Fold]]]:
    """Draw the tables `numbers`, each with its folds; one whose rarer class is too small for them is drawn again."""
    swing = truths.amplitude(world, truth, np.random.default_rng([seed, 0]))
    shared = None if world.task == "binary" else Split().folds(world.rows, folds.k, folds.repeats or 1, folds.seed)
    drawn = []
    for number in numbers:
        random = np.random.default_rng([seed, 1, number])
        features, labels = truths.table(world, truth, noise, swing, random)
        while world.task == "binary" and min(labels.sum(), len(labels) - labels.sum()) < folds.k:
            features, labels = truths.table(world, truth, noise, swing, random)
        names = [f"x{column + 1}" for column in range(features.shape[1])]
        one = TrainingTable(held(features, labels), labels, names, world.task, standardize=True)
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
    settings: Neural,
    how: Fit,
    folds: Folds,
    on_epoch: fit.OnEpoch = lambda epoch, running, first: None,
) -> list[Outcome]:
    """Compare regression and network on each of the tables `drawn`, all networks in one stack.

    `model` is what `settings` build; the same for several calls is compiled once.
    """
    features = np.concatenate([one.source.read(one.source.groups)[0] for one, _ in drawn])
    labels = np.concatenate([one.labels for one, _ in drawn])
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
    fitted = fit.fit(model, held(features, labels), replicas, descent_settings(first, settings, how), on_epoch)
    predictions = stacked_predictions(model, fitted, [features[rows] for rows in tested])
    scored = [mean_loss(labels[rows], found, first.task) for rows, found in zip(tested, predictions, strict=True)]
    neural = np.reshape(scored, (len(drawn), -1, seeds)).mean(axis=2)
    return [_outcome(losses, own, folds.k) for losses, own in zip(regressions, neural, strict=True)]


def _regressions(one: TrainingTable, parts: list[Fold]) -> tuple[list[exact.Optimum], list[dict[str, float]]]:
    every = np.arange(len(one.labels), dtype=np.int32)
    (best,) = exact.optima(one.source, [every], one.task, one.names, inference=False)
    return regression_losses(one, parts, best)


def _outcome(losses: list[dict[str, float]], neural: NDArray, k: int) -> Outcome:
    regression, baseline = (np.array([loss[key] for loss in losses]) for key in ("loss", "mean_loss"))
    return Outcome(Comparison(regression, neural, k), float(baseline.mean()))


def mean_gain(found: Sequence[Outcome]) -> float:
    """Return the margin at which regression and network differ by nothing, on the mean over all tables."""
    regression, neural = (
        sum(float(side.mean()) for side in sides)
        for sides in zip(*((one.comparison.regression, one.comparison.neural) for one in found), strict=True)
    )
    return 1 - neural / regression


def findings(found: Sequence[Outcome], verdict: Verdict, margin: float, rows: int) -> dict[str, int]:
    """Return how many tables ended in which finding of `verdict.ANSWERS`, at `margin`."""
    told = (
        decide({"neural": one.comparison}, one.baseline_loss, margin, verdict.confidence, rows)["finding"]
        for one in found
    )
    return dict.fromkeys(ANSWERS, 0) | Counter(told)


def rate_interval(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a rate (Clopper and Pearson 1934)."""
    interval = stats.binomtest(count, of).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def summary(found: Sequence[Outcome], verdict: Verdict, rows: int, truth: Truth) -> dict[str, float | int | None]:
    """Return the counts of findings, the rate of `neural_better`, and, where a curve was found, that rate at the edge.

    At the edge the margin is the procedure's own mean gain: whoever says there that the network is better by more errs
    half the time, unless the test holds him back.
    """
    counts = findings(found, verdict, verdict.margin, rows)
    gain = mean_gain(found)
    edge = findings(found, verdict, gain, rows)["neural_better"] if truth.gain and gain > 0 else None
    low, high = rate_interval(counts["neural_better"], len(found))
    edge_low, edge_high = (None, None) if edge is None else rate_interval(edge, len(found))
    return {
        **counts,
        "rate": counts["neural_better"] / len(found),
        "rate_low": low,
        "rate_high": high,
        "mean_gain": gain,
        "edge_neural_better": edge,
        "edge_rate": None if edge is None else edge / len(found),
        "edge_low": edge_low,
        "edge_high": edge_high,
        "margin": verdict.margin,
        "confidence": verdict.confidence,
    }
