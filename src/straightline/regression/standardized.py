"""Standardised columns of a regression, and the conversion of their weights into coefficients and back."""

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.data.scaling import Moments
from straightline.families import Family


class Standardized:
    """Standardise the rows of a part to `(rows, 1 + columns)`: a column of ones, then the standardised columns.

    Constant columns become 0. Without an intercept the first column is 0, and the other columns are divided by their
    root mean square. `kept` says which of the columns are not constant, and for the first whether there is an
    intercept. `rows` is the number of rows, or the sum of their weights.

    Weights of the columns are one array `(outputs * (1 + columns),)`, the linear predictors of a family one after the
    other.
    """

    def __init__(self, moments: Moments, intercept: bool = True, outputs: int = 1) -> None:
        self.rows = moments.rows
        self.intercept = intercept
        self.outputs = outputs
        self.target_mean = moments.target_mean if intercept else 0.0
        self._rate = moments.target_mean / moments.exposure_mean
        self._center = moments.means if intercept else np.zeros_like(moments.means)
        scale = moments.deviations if intercept else moments.root_mean_squares
        self.kept = np.append(intercept, scale > 0)
        self._inverse = np.where(self.kept[1:], 1.0 / np.where(self.kept[1:], scale, 1.0), 0.0)

    def __call__(self, features: NDArray, extra_columns: int = 0) -> NDArray:
        """Return the standardised rows in column order in memory, with room for `extra_columns` at the end."""
        design = np.empty((len(features), 1 + features.shape[1] + extra_columns), features.dtype, order="F")
        design[:, 0] = self.intercept
        columns = design[:, 1 : 1 + features.shape[1]]
        np.subtract(features, self._center, out=columns)
        columns *= self._inverse
        return design

    def from_scaled(self, center: NDArray, scale: NDArray) -> NDArray:
        """Return the matrix that turns a column of ones and columns (x - center) / scale into standardised rows."""
        matrix = np.diag(np.append(float(self.intercept), self._inverse * scale))
        matrix[0, 1:] = (center - self._center) * self._inverse
        return matrix

    @property
    def center(self) -> NDArray:
        """What is subtracted from the columns, `(columns,)`."""
        return self._center

    @property
    def scale(self) -> NDArray:
        """What the columns are divided by, `(columns,)`: 1 for constant columns."""
        return np.where(self.kept[1:], 1.0 / np.where(self.kept[1:], self._inverse, 1.0), 1.0)

    def predictor(self, design: NDArray, weights: NDArray, rows: Rows) -> NDArray:
        """Return the linear predictors of the standardised `rows`: `(rows,)`, or `(rows, outputs)` of several."""
        if self.outputs == 1:
            return rows.shifted(design @ weights)
        return np.asarray(design @ weights.reshape(self.outputs, -1).T)

    def start(self, family: Family) -> NDArray:
        """Return weights that predict the mean of the labels, if one predictor can; otherwise zeros."""
        weights = np.zeros(self.outputs * len(self.kept))
        if self.outputs == 1 and self.intercept:
            weights[0] = self.level(family)
        return weights

    def level(self, family: Family) -> float:
        """Return the linear predictor of the mean of the labels, or 0 if it is infinite: if all are of one class."""
        with np.errstate(divide="ignore"):
            level = float(family.link(self._rate))
        return level if np.isfinite(level) else 0.0

    def weights(self, coefficients: NDArray) -> NDArray:
        """Return the weights of standardised columns that give the same predictions as `coefficients`."""
        slopes = coefficients[1:].T
        scaled = np.where(self.kept[1:], slopes, 0.0) / np.where(self.kept[1:], self._inverse, 1.0)
        intercepts = coefficients[0] + slopes @ self._center
        return np.concatenate([intercepts[..., np.newaxis], scaled], axis=-1).ravel()

    def coefficients(self, weights: NDArray) -> NDArray:
        """Return coefficients in the columns' units, `(1 + columns,)`, or `(1 + columns, outputs)` of several."""
        return self.shaped(self.back @ weights.reshape(self.outputs, -1).T)

    def shaped(self, values: NDArray) -> NDArray:
        """Return values of each coefficient, given in the order of weights or by output, as coefficients are."""
        by_output = values if values.ndim == 2 else values.reshape(self.outputs, -1).T
        return by_output[:, 0] if self.outputs == 1 else by_output

    @property
    def all_kept(self) -> NDArray:
        """Which of all weights belong to columns that are not constant."""
        return np.tile(self.kept, self.outputs)

    @property
    def back(self) -> NDArray:
        """The matrix that converts weights of standardised columns into coefficients in the columns' original units."""
        matrix = np.diag(np.append(1.0, self._inverse))
        matrix[0, 1:] = -self._center * self._inverse
        return matrix

    def covariance(self, of_weights: NDArray) -> NDArray:
        """Return the covariance of the coefficients, in the order of weights, from that of the weights."""
        back = np.kron(np.eye(self.outputs), self.back)
        return np.asarray(back @ of_weights @ back.T)
