"""Least squares on every fold of a large table, from one reading of its rows.

Each cell is reduced to the triangular factor of its rows (Demmel, Grigori, Hoemmen and Langou 2012, section 3). The
factor of a fold's training rows is joined from those of the cells, and the loss on a cell is the norm of its factor
times the coefficients. So neither coefficients, nor standard errors, nor losses need another reading.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.data.scaling import Moments, moments
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined as joined_triangles
from straightline.regression.triangles import triangle


@dataclass(frozen=True, eq=False)
class Reduced:
    """The triangular factor of some rows: of ones, of the columns (x - center) / scale, and of the target - level.

    `rows` is the number of rows, and `total` the sum of their weights.
    """

    center: NDArray
    scale: NDArray
    level: float
    factor: NDArray
    rows: int
    total: float

    def moments(self) -> Moments:
        """Return the moments of the columns and the target."""
        means = self.factor[0, 1:] / self.factor[0, 0]
        squares = np.sum(self.factor[1:, 1:] ** 2, axis=0)
        return Moments(
            self.total,
            self.center + self.scale * means[:-1],
            self.scale**2 * squares[:-1],
            float(self.level + means[-1]),
            float(squares[-1]),
        )

    def reduction(self, standardized: Standardized) -> NDArray:
        """Return the triangular factor of the standardised rows and the centred target (`estimation.Reduction`)."""
        size = len(self.center) + 2
        matrix = np.zeros((size, size))
        matrix[:-1, :-1] = standardized.from_scaled(self.center, self.scale)
        matrix[0, -1], matrix[-1, -1] = self.level - standardized.target_mean, 1.0
        return triangle(np.asfortranarray(self.factor @ matrix))

    def loss(self, coefficients: NDArray) -> float:
        """Return the mean squared error of the rows with `coefficients` `(1 + columns,)`, intercept first."""
        slopes = coefficients[1:] * self.scale
        intercept = coefficients[0] + coefficients[1:] @ self.center - self.level
        residual = self.factor @ np.concatenate([[-intercept], -slopes, [1.0]])
        return float(residual @ residual / self.total)


def reducing(rows: Rows) -> Pass:
    """Return the pass to the factor of rows, whose columns are scaled by the moments of the first `rows`."""
    first = moments(rows)
    scale = np.where(first.deviations > 0, first.deviations, 1.0)
    return Pass(partial(_reduced, first.means, scale, first.target_mean), joined)


def _reduced(center: NDArray, scale: NDArray, level: float, rows: Rows) -> Reduced:
    design = np.empty((len(rows), len(center) + 2), order="F")
    design[:, 0] = 1.0
    np.subtract(rows.features, center, out=design[:, 1:-1])
    design[:, 1:-1] /= scale
    design[:, -1] = rows.labels - level
    if rows.weights is not None:
        design *= np.sqrt(rows.weights)[:, np.newaxis]
    return Reduced(center, scale, level, _square(triangle(design)), len(rows), rows.total)


def _square(factor: NDArray) -> NDArray:
    """Return the factor with rows of zeros below, if there were fewer rows than columns."""
    return np.vstack([factor, np.zeros((factor.shape[1] - len(factor), factor.shape[1]))])


def joined(first: Reduced, second: Reduced) -> Reduced:
    """Return the factor of all rows behind two factors."""
    factor = joined_triangles(first.factor, second.factor)
    return Reduced(first.center, first.scale, first.level, factor, first.rows + second.rows, first.total + second.total)
