"""Tables whose truth is known: a straight line, a curve that no line follows, and noise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import Family
from straightline.regression import exact

SAMPLE = 20_000  # rows that stand for all there could be, where a mean has no closed form


@dataclass(frozen=True)
class World:
    """What does not change from table to table: `rows`, the line's `coefficients` `(1 + columns,)`, intercept first.

    Columns that are given, `features` `(rows, columns)`, are those of every table, else each has its own, independent
    and standard normal. `level` is the intercept of a target that depends on no column, `noise_scale` the standard
    deviation about the truth, where the family has one. A truth is a linear predictor.
    """

    family: Family
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


def generated(family: Family, rows: int, columns: int) -> World:
    """Return a world of `columns` columns that matter alike; the noise varies as much as the line."""
    slopes = np.full(columns, 1 / math.sqrt(columns))
    return World(family, rows, np.append(0.0, slopes), 0.0, 1.0)


def like(features: NDArray, labels: NDArray, family: Family) -> World:
    """Return the world of a table `(rows, columns)`, `(rows,)`: its columns, its own best line and noise about it."""
    names = [str(number) for number in range(features.shape[1])]
    best = exact.optimum(Rows(features, labels), family, names)
    level = family.link(float(labels.mean()))
    return World(family, len(labels), best.coefficients, level, math.sqrt(best.loss), features)


def table(
    world: World, truth: Truth, noise: str, amplitude: float, random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return features `(rows, columns)` and labels `(rows,)` of a new table; `noise` is one of the family's."""
    features = world.draw(random, world.rows)
    predictor = _line(world, features) if truth.line else np.full(world.rows, world.level)
    if amplitude:
        predictor = predictor + amplitude * curve(features)
    return features, world.family.draw(predictor, noise, world.noise_scale, random)


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
    features = world.draw(random, SAMPLE)
    line, bend = _line(world, features), curve(features)
    return world.family.curve_amplitude(truth.gain, world.noise_scale, features, line, bend)


def _line(world: World, features: NDArray) -> NDArray:
    return np.asarray(world.coefficients[0] + features @ world.coefficients[1:])
