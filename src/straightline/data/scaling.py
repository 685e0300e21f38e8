"""How columns and target are scaled for descent, and how several scalings are stacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows

UNKNOWN = 1e30  # what a column that does not vary is divided by: as good as infinite, also squared in float64


@dataclass(frozen=True)
class Scaling:
    """What was taken from the columns and the target, and what they were divided by: float64, `(columns,)` and one."""

    center: NDArray
    scale: NDArray
    target_center: float
    target_scale: float

    def scaled(self, coefficients: NDArray) -> NDArray:
        """Return the coefficients `(1 + columns,)`, intercept first, that do among scaled values what these do."""
        intercept = coefficients[0] + coefficients[1:] @ self.center - self.target_center
        return np.append(intercept, coefficients[1:] * self.scale) / self.target_scale

    def unscaled(self, coefficients: NDArray) -> NDArray:
        """Return what `scaled` was given."""
        slopes = coefficients[1:] * self.target_scale / self.scale
        return np.append(coefficients[0] * self.target_scale + self.target_center - slopes @ self.center, slopes)


@dataclass(frozen=True)
class Moments:
    """Number, means and sums of squared deviations of rows; the columns' `(columns,)`, and the target's."""

    rows: int
    means: NDArray
    squares: NDArray
    target_mean: float
    target_squares: float

    @property
    def deviations(self) -> NDArray:
        """The columns' standard deviations (ddof 0), 0 for one that varies by rounding alone."""
        deviations = np.sqrt(self.squares / self.rows)
        return np.where(deviations > 1e-12 * np.abs(self.means), deviations, 0.0)

    @property
    def root_mean_squares(self) -> NDArray:
        """The columns' root mean squares."""
        return np.sqrt(self.squares / self.rows + self.means**2)


def moments(rows: Rows) -> Moments:
    """Return the moments of the columns and the labels."""
    features, labels = rows.features, rows.labels
    means, target_mean = features.mean(axis=0), float(labels.mean())
    squares = np.square(features - means).sum(axis=0)
    return Moments(len(labels), means, squares, target_mean, float(np.square(labels - target_mean).sum()))


def joined(one: Moments, other: Moments) -> Moments:
    """Return the moments of both sets of rows (Chan, Golub and LeVeque 1979, eq. 2.1)."""
    rows = one.rows + other.rows
    share, weight = other.rows / rows, one.rows * other.rows / rows
    apart, target_apart = other.means - one.means, other.target_mean - one.target_mean
    return Moments(
        rows,
        one.means + share * apart,
        one.squares + other.squares + weight * apart**2,
        one.target_mean + share * target_apart,
        one.target_squares + other.target_squares + weight * target_apart**2,
    )


def unscaled(columns: int) -> Scaling:
    """Return the scaling that changes nothing."""
    return Scaling(np.zeros(columns), np.ones(columns), 0.0, 1.0)


def standardization(of: Moments, scale_target: bool, center: bool = True) -> Scaling:
    """Return the means and standard deviations of the columns, and those of the target if asked for.

    A column that does not vary becomes zero, in rows that it does vary in too, since nothing was learnt of it. Without
    `center` nothing is taken away, and the root mean squares divide.
    """
    spread = of.deviations if center else of.root_mean_squares
    means = of.means if center else np.zeros_like(of.means)
    scale = np.where(spread > 0, spread, UNKNOWN)
    if not scale_target:
        return Scaling(means, scale, 0.0, 1.0)
    target_mean = of.target_mean if center else 0.0
    target_squares = of.target_squares / of.rows + (0.0 if center else of.target_mean**2)
    return Scaling(means, scale, target_mean, float(np.sqrt(target_squares)) or 1.0)


def relative(scaling: Scaling, overall: Scaling) -> Scaling:
    """Return the scaling that takes what `overall` has scaled to what `scaling` would have."""
    return Scaling(
        (scaling.center - overall.center) / overall.scale,
        scaling.scale / overall.scale,
        (scaling.target_center - overall.target_center) / overall.target_scale,
        scaling.target_scale / overall.target_scale,
    )


def stacked(scalings: Sequence[Scaling], dtype: Any) -> tuple[NDArray, NDArray]:
    """Return centers and scales of the columns and, last, the target, as `(replicas, 1, columns + 1)`."""
    centers = [np.append(scaling.center, scaling.target_center) for scaling in scalings]
    scales = [np.append(scaling.scale, scaling.target_scale) for scaling in scalings]
    return np.stack(centers)[:, np.newaxis].astype(dtype), np.stack(scales)[:, np.newaxis].astype(dtype)
