"""Scale columns and target for gradient descent, and stack several scalings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows

UNKNOWN = 1e30  # Divisor that turns a constant column into zeros. Its square is finite in float64.


@dataclass(frozen=True)
class Scaling:
    """Scaled values are (value - center) / scale. The columns have `center` and `scale`, float64 `(columns,)`.

    `target_center` and `target_scale` scale the target.
    """

    center: NDArray
    scale: NDArray
    target_center: float
    target_scale: float

    def scaled(self, coefficients: NDArray) -> NDArray:
        """Convert `coefficients` `(1 + columns,)`, intercept first, from original to scaled values."""
        intercept = coefficients[0] + coefficients[1:] @ self.center - self.target_center
        return np.append(intercept, coefficients[1:] * self.scale) / self.target_scale

    def unscaled(self, coefficients: NDArray) -> NDArray:
        """Convert `coefficients` `(1 + columns,)`, intercept first, from scaled to original values."""
        slopes = coefficients[1:] * self.target_scale / self.scale
        return np.append(coefficients[0] * self.target_scale + self.target_center - slopes @ self.center, slopes)


@dataclass(frozen=True)
class Moments:
    """The number of rows, and the means and sums of squared deviations of the columns `(columns,)` and the target."""

    rows: int
    means: NDArray
    squares: NDArray
    target_mean: float
    target_squares: float

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
    features, labels = rows.features, rows.labels
    means, target_mean = features.mean(axis=0), float(labels.mean())
    squares = np.square(features - means).sum(axis=0)
    return Moments(len(labels), means, squares, target_mean, float(np.square(labels - target_mean).sum()))


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
    )


def unscaled(columns: int) -> Scaling:
    """Return the scaling that leaves all values unchanged."""
    return Scaling(np.zeros(columns), np.ones(columns), 0.0, 1.0)


def standardization(rows_moments: Moments, scale_target: bool, center: bool = True) -> Scaling:
    """Return the scaling by means and standard deviations of the columns, and of the target with `scale_target`.

    A column that is constant in the rows of `rows_moments` becomes zero, also in other rows in which it varies, since
    a model cannot learn its effect. Without `center` the means are not subtracted, and the divisors are root mean
    squares.
    """
    spread = rows_moments.deviations if center else rows_moments.root_mean_squares
    means = rows_moments.means if center else np.zeros_like(rows_moments.means)
    scale = np.where(spread > 0, spread, UNKNOWN)
    if not scale_target:
        return Scaling(means, scale, 0.0, 1.0)
    target_mean = rows_moments.target_mean if center else 0.0
    target_variance = rows_moments.target_squares / rows_moments.rows
    target_square = target_variance + (0.0 if center else rows_moments.target_mean**2)
    return Scaling(means, scale, target_mean, float(np.sqrt(target_square)) or 1.0)


def relative(scaling: Scaling, overall: Scaling) -> Scaling:
    """Return the scaling that converts values scaled by `overall` into values scaled by `scaling`."""
    return Scaling(
        (scaling.center - overall.center) / overall.scale,
        scaling.scale / overall.scale,
        (scaling.target_center - overall.target_center) / overall.target_scale,
        scaling.target_scale / overall.target_scale,
    )


def stacked(scalings: Sequence[Scaling], dtype: Any) -> tuple[NDArray, NDArray]:
    """Return the centers and the scales, each `(replicas, 1, columns + 1)`: the columns, and last the target."""
    centers = [np.append(scaling.center, scaling.target_center) for scaling in scalings]
    scales = [np.append(scaling.scale, scaling.target_scale) for scaling in scalings]
    return np.stack(centers)[:, np.newaxis].astype(dtype), np.stack(scales)[:, np.newaxis].astype(dtype)
