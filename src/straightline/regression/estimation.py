"""Estimate the weights of a regression from triangular factors of its rows, in passes over a table (`source.Pass`)."""

import operator
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.rows import Rows
from straightline.data.scaling import Moments
from straightline.data.source import COLLECT, Pass
from straightline.families import Family
from straightline.regression.separation import RANK_TOLERANCE, Separation, firth, separating

NEWTON_STEPS = 100  # An optimum that exists takes about ten steps.
SUSPICIOUS_LOG_ODDS = 25.0  # Larger log odds suggest that the optimum is infinite.
LEFT_OUT = 1e-10  # If 1 minus the leverage of a row is smaller, the other rows do not determine the fit of this row.
ROUNDING_SHOWS = 100.0  # With a larger condition number, float64 gives fewer than twelve correct digits.


class Standardized:
    """Standardise the rows of a part to `(rows, 1 + columns)`: a column of ones, then the standardised columns.

    Constant columns become 0. Without an intercept the first column is 0, and the other columns are divided by their
    root mean square. `kept` says which of the columns are not constant, and for the first whether there is an
    intercept.
    """

    def __init__(self, moments: Moments, intercept: bool = True) -> None:
        self.rows = moments.rows
        self.intercept = intercept
        self.target_mean = moments.target_mean if intercept else 0.0
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

    def weights(self, coefficients: NDArray) -> NDArray:
        """Return the weights of standardised columns that give the same predictions as `coefficients`."""
        slopes = np.where(self.kept[1:], coefficients[1:], 0.0) / np.where(self.kept[1:], self._inverse, 1.0)
        return np.append(coefficients[0] + coefficients[1:] @ self._center, slopes)

    @property
    def back(self) -> NDArray:
        """The matrix that converts weights of standardised columns into coefficients in the columns' original units."""
        matrix = np.diag(np.append(1.0, self._inverse))
        matrix[0, 1:] = -self._center * self._inverse
        return matrix


@dataclass(frozen=True)
class Estimate:
    """Weights of the standardised columns, and `root`, a triangular square root of the loss's curvature there.

    `dispersion` is the variance about the predictions (1 for maximum likelihood), and `loss` is the mean loss.
    """

    weights: NDArray
    root: NDArray
    dispersion: float
    loss: float
    separation: Separation | None = None
    messages: Sequence[str] = ()


def least_squares(standardized: Standardized, refined: bool) -> Generator[Pass, Any, Estimate]:
    """Compute ordinary least squares in one pass over the rows and the centred target, or in two if `refined`.

    Rows are reduced to a triangular factor, part by part (Demmel, Grigori, Hoemmen and Langou 2012, section 3). With
    `refined`, a step with residuals in extended precision follows if columns are close to collinear (Bjorck 1987,
    "Stability analysis of the method of seminormal equations for linear least squares problems").
    """
    triangle = yield reduction(standardized)
    root, projected = triangle[:, :-1], triangle[:, -1]
    weights = linalg.lstsq(root, projected, cond=RANK_TOLERANCE)[0]
    residual = float(np.sum((projected - root @ weights) ** 2))
    freedom = max(standardized.rows - np.linalg.matrix_rank(root, rtol=RANK_TOLERANCE), 1)
    weights[0] += standardized.target_mean
    kept = standardized.kept
    if (
        refined
        and ROUNDING_SHOWS < np.linalg.cond(root[:, kept]) < 1 / RANK_TOLERANCE
        and standardized.rows >= kept.sum()
    ):
        gradient = yield Pass(partial(_extended_gradient, standardized, weights), operator.add)
        solve = partial(linalg.solve_triangular, linalg.qr(root[:, kept], mode="r")[0][: kept.sum()])
        weights[kept] += solve(solve(gradient[kept].astype(np.float64), trans="T"))
    return Estimate(weights, root, residual / freedom, residual / standardized.rows)


def reduction(standardized: Standardized) -> Pass:
    """Return the pass that reduces the rows, with the centred target as last column, to a triangular factor."""

    def reduced(rows: Rows) -> NDArray:
        design = standardized(rows.features, extra_columns=1)
        design[:, -1] = rows.labels - standardized.target_mean
        return _triangle(design)

    return Pass(reduced, _joined)


def _extended_gradient(standardized: Standardized, weights: NDArray, rows: Rows) -> NDArray:
    design = standardized(rows.features.astype(np.longdouble))
    return (rows.labels - design @ weights.astype(np.longdouble)) @ design


def maximum_likelihood(
    standardized: Standardized, family: Family, guess: NDArray | None
) -> Generator[Pass, Any, Estimate]:
    """Compute the weights of a logistic regression by Newton's method, with one pass for each step.

    `guess` are coefficients in the original units, or None. If the classes are separated, the rows are read into
    memory, and Firth's weights are computed (Heinze and Schemper 2002, eq. 2).
    """
    weights = np.zeros(len(standardized.kept)) if guess is None else standardized.weights(guess)
    here = yield likelihood(standardized, family, weights)
    for _ in range(NEWTON_STEPS):
        step = linalg.lstsq(here.triangle[:, :-1], here.triangle[:, -1], cond=RANK_TOLERANCE)[0]
        if step @ here.gradient < 1e-14:
            break
        there = yield likelihood(standardized, family, weights + step)
        while there.loss > here.loss and np.abs(step).max() > 1e-12:
            step = step / 2
            there = yield likelihood(standardized, family, weights + step)
        weights, here = weights + step, there
    estimate = Estimate(weights, here.triangle[:, :-1], 1.0, here.loss)
    if not family.is_separable or here.largest <= SUSPICIOUS_LOG_ODDS:
        return estimate
    all_rows: Rows = yield COLLECT
    design, labels = standardized(all_rows.features), all_rows.labels
    separation = separating(design, all_rows)
    if separation is None:
        return estimate
    weights, converged = firth(design, labels, standardized.kept)
    messages = [] if converged else ["Firth's estimate has not fully converged"]
    loss = float(family.predictor_losses(design @ weights, labels).mean())
    return Estimate(weights, estimate.root, 1.0, loss, separation, messages)


def scores_squared(standardized: Standardized, family: Family, weights: NDArray, inverse: NDArray | None) -> Pass:
    """Return the pass for the middle matrix of a robust covariance.

    The matrix is the sum of the rows' outer products times their squared residuals. With the `inverse` of the Gram
    matrix of a least-squares fit, each residual is that of a fit to the other rows (HC3). Without it, residuals are
    labels minus probabilities.
    """

    def outer_products(rows: Rows) -> NDArray:
        design, labels = standardized(rows.features), rows.labels
        predictor = design @ weights
        if inverse is None:
            residual = family.newton(predictor, labels).residual
        else:
            rest = 1 - np.einsum("ij,jk,ik->i", design, inverse, design)
            residual = np.where(rest > LEFT_OUT, labels - predictor, np.inf) / np.maximum(rest, LEFT_OUT)
        with np.errstate(invalid="ignore"):
            return (design * residual[:, np.newaxis] ** 2).T @ design

    return Pass(outer_products, operator.add)


class Likelihood(NamedTuple):
    """The likelihood at some weights.

    It holds the mean cross-entropy, its negative gradient, the triangular factor for a Newton step, and the largest
    absolute log odds.
    """

    loss: Any
    gradient: Any
    triangle: Any
    largest: Any


def likelihood(standardized: Standardized, family: Family, weights: NDArray) -> Pass:
    """Return the pass that computes the `Likelihood` at `weights` of the standardised columns."""

    def compute(rows: Rows) -> Likelihood:
        labels, extended = rows.labels, standardized(rows.features, extra_columns=1)
        design = extended[:, :-1]
        predictor = design @ weights
        residual, curvature = family.newton(predictor, labels)
        gradient = residual @ design / standardized.rows
        spread = np.sqrt(np.maximum(curvature, 1e-300))
        design *= spread[:, np.newaxis]
        extended[:, -1] = residual / spread
        loss = float(family.predictor_losses(predictor, labels).mean()) * len(labels) / standardized.rows
        return Likelihood(loss, gradient, _triangle(extended), np.abs(predictor).max())

    def combine(first: Likelihood, second: Likelihood) -> Likelihood:
        return Likelihood(
            first.loss + second.loss,
            first.gradient + second.gradient,
            _joined(first.triangle, second.triangle),
            max(first.largest, second.largest),
        )

    return Pass(compute, combine)


def _triangle(rows: NDArray) -> NDArray:
    """Return the triangular factor of `rows`. It overwrites `rows` in memory; scipy.linalg.qr would make two copies."""
    return np.triu(linalg.lapack.dgeqrf(rows, overwrite_a=True)[0][: rows.shape[1]])


def _joined(first: NDArray, second: NDArray) -> NDArray:
    return _triangle(np.vstack([first, second]))
