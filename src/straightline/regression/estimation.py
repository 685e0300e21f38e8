"""How a regression's weights are found from triangular factors of its rows, in passes over a table (`source.Pass`)."""

import operator
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.rows import Rows, joined
from straightline.data.scaling import Moments
from straightline.data.source import Pass
from straightline.families import Family
from straightline.regression.separation import RANK_TOLERANCE, Separation, firth, separating

NEWTON_STEPS = 100  # an optimum that exists takes about ten
SUSPICIOUS_LOG_ODDS = 25.0  # Newton's method reaches more only on its way to infinity, or nearly so
LEFT_OUT = 1e-10  # share of itself that a row leaves to the others, below which they do not determine its fit
ROUNDING_SHOWS = 100.0  # condition number from which on float64 leaves less than twelve digits


class Standardized:
    """A part's rows as `(rows, 1 + columns)`: one, and the standardised columns, 0 where they are constant.

    Without an intercept they are zero, and the columns divided by their root mean square.
    """

    def __init__(self, of: Moments, intercept: bool = True) -> None:
        self.rows = of.rows
        self.intercept = intercept
        self.target_mean = of.target_mean if intercept else 0.0
        self._center = of.means if intercept else np.zeros_like(of.means)
        scale = of.deviations if intercept else of.root_mean_squares
        self.kept = np.append(intercept, scale > 0)
        self._inverse = np.where(self.kept[1:], 1.0 / np.where(self.kept[1:], scale, 1.0), 0.0)

    def __call__(self, features: NDArray, further: int = 0) -> NDArray:
        """Return the rows, by column in memory, with room for `further` columns."""
        design = np.empty((len(features), 1 + features.shape[1] + further), features.dtype, order="F")
        design[:, 0] = self.intercept
        columns = design[:, 1 : 1 + features.shape[1]]
        np.subtract(features, self._center, out=columns)
        columns *= self._inverse
        return design

    def weights(self, coefficients: NDArray) -> NDArray:
        """Return the weights of standardised columns that predict as `coefficients` do."""
        slopes = np.where(self.kept[1:], coefficients[1:], 0.0) / np.where(self.kept[1:], self._inverse, 1.0)
        return np.append(coefficients[0] + coefficients[1:] @ self._center, slopes)

    @property
    def back(self) -> NDArray:
        """The matrix that takes weights of standardised columns to those of the columns' own units."""
        matrix = np.diag(np.append(1.0, self._inverse))
        matrix[0, 1:] = -self._center * self._inverse
        return matrix


@dataclass(frozen=True)
class Found:
    """Weights of the standardised columns, and `root`, a triangular root of the loss's curvature there."""

    weights: NDArray
    root: NDArray
    dispersion: float
    loss: float
    separation: Separation | None = None
    messages: Sequence[str] = ()


def least_squares(standardized: Standardized, refined: bool) -> Generator[Pass, Any, Found]:
    """Find ordinary least squares in one pass, of the rows and the centred target, or two where it is to be `refined`.

    Rows are reduced to a triangular factor, part by part (Demmel, Grigori, Hoemmen and Langou 2012, section 3). Where
    columns are near to collinear, a step with residuals in extended precision follows (Bjorck 1987, "Stability analysis
    of the method of seminormal equations for linear least squares problems").
    """

    def reduced(rows: Rows) -> NDArray:
        design = standardized(rows.features, further=1)
        design[:, -1] = rows.labels - standardized.target_mean
        return _triangle(design)

    triangle = yield Pass(reduced, _joined)
    root, reach = triangle[:, :-1], triangle[:, -1]
    weights = linalg.lstsq(root, reach, cond=RANK_TOLERANCE)[0]
    residual = float(np.sum((reach - root @ weights) ** 2))
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
    return Found(weights, root, residual / freedom, residual / standardized.rows)


def _extended_gradient(standardized: Standardized, weights: NDArray, rows: Rows) -> NDArray:
    design = standardized(rows.features.astype(np.longdouble))
    return (rows.labels - design @ weights.astype(np.longdouble)) @ design


def maximum_likelihood(
    standardized: Standardized, family: Family, guess: NDArray | None
) -> Generator[Pass, Any, Found]:
    """Find a logistic regression's weights by Newton's method, a pass a step; `guess` are raw coefficients.

    Where the classes are separated, it asks for the rows, and finds Firth's weights (Heinze and Schemper 2002, eq. 2).
    """
    weights = np.zeros(len(standardized.kept)) if guess is None else standardized.weights(guess)
    here = yield _likelihood(standardized, family, weights)
    for _ in range(NEWTON_STEPS):
        step = linalg.lstsq(here.triangle[:, :-1], here.triangle[:, -1], cond=RANK_TOLERANCE)[0]
        if step @ here.gradient < 1e-14:
            break
        there = yield _likelihood(standardized, family, weights + step)
        while there.loss > here.loss and np.abs(step).max() > 1e-12:
            step = step / 2
            there = yield _likelihood(standardized, family, weights + step)
        weights, here = weights + step, there
    found = Found(weights, here.triangle[:, :-1], 1.0, here.loss)
    if not family.is_separable or here.largest <= SUSPICIOUS_LOG_ODDS:
        return found
    every: Rows = yield Pass(lambda rows: rows, lambda first, second: joined([first, second]))
    design, labels = standardized(every.features), every.labels
    separation = separating(design, every)
    if separation is None:
        return found
    weights, converged = firth(design, labels, standardized.kept)
    messages = [] if converged else ["Firth's estimate has not fully converged"]
    return Found(
        weights, found.root, 1.0, float(family.predictor_losses(design @ weights, labels).mean()), separation, messages
    )


def scores_squared(standardized: Standardized, family: Family, weights: NDArray, inverse: NDArray | None) -> Pass:
    """Ask for the sum of the rows' outer products times their squared residuals, the middle of a robust covariance.

    With the `inverse` of a least-squares fit's Gram matrix each residual is that of the other rows' fit (HC3), without
    it they are those of probabilities.
    """

    def of(rows: Rows) -> NDArray:
        design, labels = standardized(rows.features), rows.labels
        predictor = design @ weights
        if inverse is None:
            residual = family.newton(predictor, labels).residual
        else:
            rest = 1 - np.einsum("ij,jk,ik->i", design, inverse, design)
            residual = np.where(rest > LEFT_OUT, labels - predictor, np.inf) / np.maximum(rest, LEFT_OUT)
        with np.errstate(invalid="ignore"):
            return (design * residual[:, np.newaxis] ** 2).T @ design

    return Pass(of, operator.add)


class _Likelihood(NamedTuple):
    """At some weights: the mean cross-entropy, its gradient, the triangle of a Newton step, the largest log odds."""

    loss: Any
    gradient: Any
    triangle: Any
    largest: Any


def _likelihood(standardized: Standardized, family: Family, weights: NDArray) -> Pass:
    def of(rows: Rows) -> _Likelihood:
        labels, extended = rows.labels, standardized(rows.features, further=1)
        design = extended[:, :-1]
        predictor = design @ weights
        residual, curvature = family.newton(predictor, labels)
        gradient = residual @ design / standardized.rows
        spread = np.sqrt(np.maximum(curvature, 1e-300))
        design *= spread[:, np.newaxis]
        extended[:, -1] = residual / spread
        loss = float(family.predictor_losses(predictor, labels).mean()) * len(labels) / standardized.rows
        return _Likelihood(loss, gradient, _triangle(extended), np.abs(predictor).max())

    def both(one: _Likelihood, other: _Likelihood) -> _Likelihood:
        return _Likelihood(
            one.loss + other.loss,
            one.gradient + other.gradient,
            _joined(one.triangle, other.triangle),
            max(one.largest, other.largest),
        )

    return Pass(of, both)


def _triangle(rows: NDArray) -> NDArray:
    """Return the triangular factor of `rows`, whose place it takes in memory; scipy.linalg.qr would copy it twice."""
    return np.triu(linalg.lapack.dgeqrf(rows, overwrite_a=True)[0][: rows.shape[1]])


def _joined(one: NDArray, other: NDArray) -> NDArray:
    return _triangle(np.vstack([one, other]))
