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

    Each table has `rows` rows. `coefficients` `(1 + columns,)`, intercept first, are those of the line. If `features`
    `(rows, columns)` is given, every table has these columns; otherwise each table draws its own, which are independent
    and standard normal. `level` is the intercept of a target that depends on no column. `noise_scale` is the standard
    deviation of the noise, for families that have one. Line, curve and level are on the scale of the linear predictor.
    """

    family: Family
    rows: int
    coefficients: NDArray
    level: float
    noise_scale: float
    features: NDArray | None = None

    def draw(self, random: np.random.Generator, rows: int) -> NDArray:
        """Return the columns of a new table, `(rows, columns)`."""
        if self.features is not None:
            return self.features
        return random.standard_normal((rows, len(self.coefficients) - 1))


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
    """Return a world of `columns` columns with equal slopes; noise and line have the same variance."""
    slopes = np.full(columns, 1 / math.sqrt(columns))
    return World(family, rows, np.append(0.0, slopes), 0.0, 1.0)


def like(features: NDArray, labels: NDArray, family: Family) -> World:
    """Return a world that resembles the table `features` `(rows, columns)`, `labels` `(rows,)`.

    It has the columns of the table, its best line, and noise as strong as the deviations from that line.
    """
    names = [str(number) for number in range(features.shape[1])]
    best = exact.optimum(Rows(features, labels), family, names)
    level = family.link(float(labels.mean()))
    return World(family, len(labels), best.coefficients, level, math.sqrt(best.loss), features)


def table(
    world: World, truth: Truth, noise: str, amplitude: float, random: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """Return features `(rows, columns)` and labels `(rows,)` of a new table.

    `noise` names one of the kinds of noise of the family. `amplitude` is the factor of the curve.
    """
    features = world.draw(random, world.rows)
    predictor = _line(world, features) if truth.line else np.full(world.rows, world.level)
    if amplitude:
        predictor = predictor + amplitude * curve(features)
    return features, world.family.draw(predictor, noise, world.noise_scale, random)


def curve(features: NDArray) -> NDArray:
    """Return a curve `(rows,)` of variance 1 that is uncorrelated with every column.

    It is the square of the first column that varies plus its product with the second, minus the best straight line
    through that sum. Raises UserError if nothing remains, because the columns take two values each or determine each
    other.
    """
    varying = features[:, features.std(axis=0) > 0][:, :2]
    scaled = (varying - varying.mean(axis=0)) / varying.std(axis=0)
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
        truth.gain, world.noise_scale, features, _line(world, features), curve(features)
    )


def _line(world: World, features: NDArray) -> NDArray:
    return np.asarray(world.coefficients[0] + features @ world.coefficients[1:])
