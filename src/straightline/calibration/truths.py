"""Generated tables with a known truth: a straight line, a line plus a curve that no line can follow, or pure noise."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import Family
from straightline.regression import exact

SAMPLE = 20_000  # rows that represent the whole population if a mean has no closed form


@dataclass(frozen=True)
class World:
    """The properties that all tables of a simulation share.

    Each table has `rows` rows. `coefficients` are those of the line, with the shape that `Optimum` has:
    `(1 + columns,)`, intercept first, or `(1 + columns, outputs)`. If `features` `(rows, columns)` is given, every
    table has these columns; otherwise each table draws its own, which are independent and standard normal. `level` is
    the intercept, or the intercepts `(outputs,)`, of a target that depends on no column. `noise_scale` is the standard
    deviation of the noise, for families that have one. Line, curve and level are on the scale of the linear predictor.
    """

    family: Family
    rows: int
    coefficients: NDArray
    level: float | NDArray
    noise_scale: float
    features: NDArray | None = None

    def draw(self, random: np.random.Generator, rows: int) -> NDArray:
        """Return the columns of a new table, `(rows, columns)`."""
        if self.features is not None:
            return self.features
        return random.standard_normal((rows, len(self.coefficients) - 1))

    def line(self, features: NDArray) -> NDArray:
        """Return the linear predictors of the line, `(rows,)` or `(rows, outputs)`."""
        return np.asarray(self.coefficients[0] + features @ self.coefficients[1:])

    def curve(self, features: NDArray) -> NDArray:
        """Return what is added to the first linear predictor, `(rows,)`, but for a factor."""
        # The mean of the exponential of a normal variable's square may be infinite.
        return curve(features, is_bounded=self.family.activation == "exponential")


@dataclass(frozen=True)
class Truth:
    """The truth of a target.

    `line` says whether the target follows the line. `gain` is the share of the best line's loss that is due to the
    curve; 0 means that there is no curve.
    """

    name: str
    line: bool
    gain: float


def generated(family: Family, rows: int, columns: int) -> World:
    """Return a world of `columns` columns with slopes of equal size, whose line has the variance 1, as the noise has.

    The line then saves about half of the loss of a target of numbers (amounts: 46 %, counts with the geometric mean 1:
    62 %), and 13 to 15 % of that of a target of two or three classes. The log odds of a third class have slopes of
    alternating signs, so that they are independent of those of the second class if the number of columns is even.
    """
    signs = (-1.0) ** np.outer(np.arange(1, columns + 1), np.arange(family.outputs))
    slopes = np.vstack([np.zeros(family.outputs), signs / math.sqrt(columns)])
    return World(family, rows, slopes[:, 0] if family.outputs == 1 else slopes, 0.0, 1.0)


def like(features: NDArray, labels: NDArray, family: Family) -> World:
    """Return a world that resembles the table `features` `(rows, columns)`, `labels` `(rows,)`.

    It has the columns of the table, its best line, and noise as strong as the deviations from that line. The noise of
    classes and counts is that of their family: counts vary as a Poisson distribution, even if those of the table vary
    more.
    """
    names = [str(number) for number in range(features.shape[1])]
    best = exact.optimum(Rows(features, labels), family, names)
    variance = best.loss if family.is_least_squares or best.dispersion is None else best.dispersion
    level = family.link(family.baseline(labels))
    return World(family, len(labels), best.coefficients, level, math.sqrt(variance), features)


def table(
    world: World, truth: Truth, noise: str, amplitude: float, random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return features `(rows, columns)` and labels `(rows,)` of a new table.

    `noise` names one of the kinds of noise of the family. `amplitude` is the factor of the curve.
    """
    features = world.draw(random, world.rows)
    line = world.line(features)
    predictor = line if truth.line else np.full(line.shape, world.level)
    if amplitude:
        bend = amplitude * world.curve(features)
        predictor = predictor + (bend if line.ndim == 1 else np.outer(bend, np.eye(world.family.outputs)[0]))
    return features, world.family.draw(predictor, noise, world.noise_scale, random)


def curve(features: NDArray, is_bounded: bool = False) -> NDArray:
    """Return a curve `(rows,)` of variance 1 that is uncorrelated with every column.

    It is the square of the first column that varies plus its product with the second, minus the best straight line
    through that sum. If it shall be bounded, the two columns are replaced by their hyperbolic tangents first. Raises
    UserError if nothing remains, because the columns take two values each or determine each other.
    """
    varying = features[:, features.std(axis=0) > 0][:, :2]
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
    if is_bounded:
        scaled = np.tanh(scaled)
    raw = scaled[:, 0] ** 2 + np.prod(scaled, axis=1)
    design = np.column_stack([np.ones(len(features)), features])
    residual = raw - design @ np.linalg.lstsq(design, raw, rcond=None)[0]
    scale = float(residual.std())
    if not scale > 1e-6:
        raise UserError(
            "a straight line can follow every curve of these columns: expected a first column with three values or "
            "more, or more rows than columns"
        )
    return residual / scale


def amplitude(world: World, truth: Truth, random: np.random.Generator) -> float:
    """Return the factor of the curve with which the loss of the truth is `truth.gain` below that of the best line.

    `truth.gain` is a share of the loss of the best line.
    """
    if not truth.gain:
        return 0.0
    features = world.draw(random, SAMPLE)
    return world.family.curve_amplitude(
        truth.gain, world.noise_scale, features, world.line(features), world.curve(features)
    )
