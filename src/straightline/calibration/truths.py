"""Tables whose truth is known: a straight line, a curve that no line follows, and noise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from straightline.errors import UserError
from straightline.regression import exact

NOISES = ("normal", "heavy")  # heavy: Student's t with 3 degrees of freedom, which has no fourth moment
SAMPLE = 20_000  # rows that stand for all there could be, where a mean has no closed form


@dataclass(frozen=True)
class World:
    """What does not change from table to table: `rows`, the line's `coefficients` `(1 + columns,)`, intercept first.

    Columns that are given, `features` `(rows, columns)`, are those of every table, else each has its own, independent
    and standard normal. `level` is the intercept of a target that depends on no column, `noise_scale` the standard
    deviation of a continuous target about its truth. A binary target's truth is its log odds.
    """

    task: str
    rows: int
    coefficients: NDArray
    level: float
    noise_scale: float
    features: NDArray | None = None

    def draw(self, random: np.random.Generator, rows: int) -> NDArray:
        """Return the columns of a table."""
        if self.features is not None:
            return self.features
        return random.standard_normal((rows, len(self.coefficients) - 1))


@dataclass(frozen=True)
class Truth:
    """A target's truth: whether it follows the line, and the share of the best line's loss that its curve costs."""

    name: str
    line: bool
    gain: float


def generated(task: str, rows: int, columns: int) -> World:
    """Return a world of `columns` columns that matter alike; a continuous target's noise varies as much as its line."""
    slopes = np.full(columns, 1 / math.sqrt(columns))
    return World(task, rows, np.append(0.0, slopes), 0.0, 1.0)


def like(features: NDArray, labels: NDArray, task: str) -> World:
    """Return the world of a table `(rows, columns)`, `(rows,)`: its columns, its own best line and noise about it."""
    names = [str(number) for number in range(features.shape[1])]
    best = exact.optimum(features, labels, task, names)
    mean = float(labels.mean())
    level = mean if task == "continuous" else float(special.logit(mean))
    return World(task, len(labels), best.coefficients, level, math.sqrt(best.loss), features)


def table(
    world: World, truth: Truth, noise: str, amplitude: float, random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return features `(rows, columns)` and labels `(rows,)` of a new table; `noise` is one of NOISES."""
    features = world.draw(random, world.rows)
    predictor = _line(world, features) if truth.line else np.full(world.rows, world.level)
    if amplitude:
        predictor = predictor + amplitude * curve(features)
    if world.task == "binary":
        return features, (random.random(world.rows) < special.expit(predictor)).astype(np.float64)
    drawn = (
        random.standard_normal(world.rows)
        if noise == "normal"
        else random.standard_t(3, world.rows) / math.sqrt(3)  # of variance 1
    )
    return features, predictor + world.noise_scale * drawn


def curve(features: NDArray) -> NDArray:
    """Return a square and a product of the first columns that vary, less what a straight line has of it, of variance 1.

    Raises UserError where nothing is left, since the columns take two values each or determine each other.
    """
    varied = features[:, features.std(axis=0) > 0][:, :2]
    scaled = (varied - varied.mean(axis=0)) / varied.std(axis=0)
    raw = scaled[:, 0] ** 2 + np.prod(scaled, axis=1)
    design = np.column_stack([np.ones(len(features)), features])
    residual = raw - design @ np.linalg.lstsq(design, raw, rcond=None)[0]
    scale = float(residual.std())
    if not scale > 1e-6:
        raise UserError(
            "no curve goes through these columns that a straight line would not follow: expected a first column with "
            "three values or more, or more rows than columns"
        )
    return residual / scale


def amplitude(world: World, truth: Truth, random: np.random.Generator) -> float:
    """Return how far the curve must swing for the best predictor's loss to be `truth.gain` below the best line's."""
    if not truth.gain:
        return 0.0
    if world.task == "continuous":
        return world.noise_scale * math.sqrt(truth.gain / (1 - truth.gain))
    features = world.draw(random, SAMPLE)
    line, bend = _line(world, features), curve(features)
    return float(
        optimize.brentq(lambda swing: _gain(features, line + swing * bend) - truth.gain, 0.0, 100.0, xtol=1e-3)
    )


def _line(world: World, features: NDArray) -> NDArray:
    return np.asarray(world.coefficients[0] + features @ world.coefficients[1:])


def _gain(features: NDArray, log_odds: NDArray) -> float:
    """Return how much of the best line's mean cross-entropy is left out by who knows the `log_odds`."""
    from sklearn.linear_model import LogisticRegression

    probability = special.expit(log_odds)
    both, weights = np.repeat([1, 0], len(features)), np.concatenate([probability, 1 - probability])
    best = LogisticRegression(C=np.inf).fit(np.vstack([features, features]), both, sample_weight=weights)
    decided = best.decision_function(features)
    line = np.mean(np.logaddexp(0.0, decided) - probability * decided)
    return float(1 - np.mean(special.entr(probability) + special.entr(1 - probability)) / line)
