"""Scale columns and target for gradient descent, and stack several scalings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.families import Family
from straightline.families.family import AS_IT_IS, TargetScaling

UNKNOWN = 1e30  # Divisor that turns a constant column into zeros. Its square is finite in float64.


@dataclass(frozen=True)
class Scaling:
    """Scaled values are (value - center) / scale. The columns have `center` and `scale`, float64 `(columns,)`.

    `target` scales the target, and `offset_center` is subtracted from offsets.
    """

    center: NDArray
    scale: NDArray
    target: TargetScaling = AS_IT_IS
    offset_center: float = 0.0

    def predictor(self, scaled: NDArray) -> NDArray:
        """Return the linear predictor of the target from that of the scaled target."""
        return np.asarray(self.target.predictor_center + self.target.predictor_scale * scaled)

    def scaled(self, coefficients: NDArray) -> NDArray:
        """Convert `coefficients` `(1 + columns,)` or `(1 + columns, outputs)` from original to scaled values."""
        slopes = coefficients[1:].T
        intercept = coefficients[0] + slopes @ self.center - self.target.predictor_center
        return np.concatenate([intercept[np.newaxis], (slopes * self.scale).T]) / self.target.predictor_scale

    def unscaled(self, coefficients: NDArray) -> NDArray:
        """Convert `coefficients` `(1 + columns,)` or `(1 + columns, outputs)` from scaled to original values."""
        slopes = coefficients[1:].T * self.target.predictor_scale / self.scale
        intercept = coefficients[0] * self.target.predictor_scale + self.target.predictor_center - slopes @ self.center
        return np.concatenate([intercept[np.newaxis], slopes.T])


@dataclass(frozen=True)
class Moments:
    """The number of rows, and the means and sums of squared deviations of the columns `(columns,)` and the target.

    With weights, sums are weighted, and the number is the sum of the weights. `exposure_mean` is the mean of the
    exponentials of the offsets, or 1 without offsets.
    """

    rows: float
    means: NDArray
    squares: NDArray
    target_mean: float
    target_squares: float
    exposure_mean: float = 1.0

    @property
    def deviations(self) -> NDArray:
        """The standard deviations of the columns (ddof 0), 0 for a column that varies only by rounding errors."""
        deviations = np.sqrt(self.squares / self.rows)
        return np.where(deviations > 1e-12 * np.abs(self.means), deviations, 0.0)

    @property
    def root_mean_squares(self) -> NDArray:
        """The root mean squares of the columns."""
        return np.sqrt(self.squares / self.rows + self.means**2)


def moments(rows: Rows) -> Moments:
    """Return the moments of the columns and the labels."""
    features, labels, weights = rows.features, rows.labels, rows.weights
    exposure = 1.0 if rows.offset is None else float(np.average(np.exp(rows.offset), weights=weights))
    if weights is None:
        means, target_mean = features.mean(axis=0), float(labels.mean())
        deviations = features - means
        squares = np.square(deviations, out=deviations).sum(axis=0)
        target_squares = float(np.square(labels - target_mean).sum())
        return Moments(len(labels), means, squares, target_mean, target_squares, exposure)
    total = float(weights.sum())
    means, target_mean = weights @ features / total, float(weights @ labels / total)
    squares, target_squares = weights @ np.square(features - means), float(weights @ np.square(labels - target_mean))
    return Moments(total, means, squares, target_mean, target_squares, exposure)


def joined(first: Moments, second: Moments) -> Moments:
    """Return the moments of both sets of rows together (Chan, Golub and LeVeque 1979, eq. 2.1)."""
    rows = first.rows + second.rows
    share, weight = second.rows / rows, first.rows * second.rows / rows
    difference, target_difference = second.means - first.means, second.target_mean - first.target_mean
    return Moments(
        rows,
        first.means + share * difference,
        first.squares + second.squares + weight * difference**2,
        first.target_mean + share * target_difference,
        first.target_squares + second.target_squares + weight * target_difference**2,
        first.exposure_mean + share * (second.exposure_mean - first.exposure_mean),
    )


def unscaled(columns: int) -> Scaling:
    """Return the scaling that leaves all values unchanged."""
    return Scaling(np.zeros(columns), np.ones(columns))


def standardization(rows_moments: Moments, family: Family, center: bool = True, offset_center: float = 0.0) -> Scaling:
    """Return the scaling by means and standard deviations of the columns, and of the target as its `family` wants it.

    A column that is constant in the rows of `rows_moments` becomes zero, also in other rows in which it varies, since
    a model cannot learn its effect. Without `center` the means are not subtracted, and the divisors are root mean
    squares.
    """
    spread = rows_moments.deviations if center else rows_moments.root_mean_squares
    means = rows_moments.means if center else np.zeros_like(rows_moments.means)
    scale = np.where(spread > 0, spread, UNKNOWN)
    target_variance = rows_moments.target_squares / rows_moments.rows
    if center:
        deviation = float(np.sqrt(target_variance)) or 1.0
        target = family.target_scaling(rows_moments.target_mean, deviation, offset_center)
    else:
        root_mean_square = float(np.sqrt(target_variance + rows_moments.target_mean**2)) or 1.0
        target = family.target_scaling_without_intercept(root_mean_square, offset_center)
    return Scaling(means, scale, target, offset_center)


def relative(scaling: Scaling, overall: Scaling) -> Scaling:
    """Return the scaling that converts columns and labels scaled by `overall` into values scaled by `scaling`."""
    target, overall_target = scaling.target, overall.target
    center = (target.center - overall_target.center) / overall_target.scale
    return Scaling(
        (scaling.center - overall.center) / overall.scale,
        scaling.scale / overall.scale,
        target._replace(center=center, scale=target.scale / overall_target.scale),
    )


def stacked(scalings: Sequence[Scaling], others: NDArray, dtype: Any) -> tuple[NDArray, NDArray]:
    """Return the centers and the scales, each `(replicas, 1, columns + 1 + others)`.

    They are those of the columns and of the target; `others` `(replicas, others)` are the scales of further columns.
    """
    centers = [[*scaling.center, scaling.target.center, *[0.0] * others.shape[1]] for scaling in scalings]
    scales = [[*scaling.scale, scaling.target.scale, *more] for scaling, more in zip(scalings, others, strict=True)]
    return np.stack(centers)[:, np.newaxis].astype(dtype), np.stack(scales)[:, np.newaxis].astype(dtype)
