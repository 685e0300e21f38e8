"""Estimate the weights of a regression from triangular factors of its rows, in passes over a table (`source.Pass`)."""

import operator
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.chance import LARGE_ROWS
from straightline.data.passes import COLLECT, COUNT, Pass, on_rows
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.regression.firth import firth, firth_in_passes
from straightline.regression.large_separation import separating_in_passes
from straightline.regression.likelihood import Likelihood, likelihood
from straightline.regression.multinomial import ClassLikelihood, class_basis, class_scores
from straightline.regression.multinomial import likelihood as class_likelihood
from straightline.regression.separation import RANK_TOLERANCE, Separation, separating
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, triangle

NEWTON_STEPS = 100  # An optimum that exists takes about ten steps.
CONVERGED = 1e-14  # The largest decrease of the mean loss that another step would bring.
ROUNDING = 1e-13  # A loss that is larger by this much may be larger by rounding only.
SAMPLE_ROWS, SAMPLED = 10_000, 5  # Of more than 5 x 10,000 rows, 10,000 give the first guess of the optimum.
SUSPICIOUS_LOG_ODDS = 25.0  # Larger log odds suggest that the optimum is infinite.
SUSPICIOUS_LOGARITHM = 15.0  # A mean count that is smaller than the usual one by this exponent suggests the same.
SPARE = 3.0  # The iterations of a separated row end within this distance of where CONVERGED lets them end.
LEFT_OUT = 1e-10  # If 1 minus the leverage of a row is smaller, the other rows do not determine the fit of this row.
ROUNDING_SHOWS = 100.0  # With a larger condition number, float64 gives fewer than twelve correct digits.


@dataclass(frozen=True)
class Estimate:
    """Weights of the standardised columns, and `root`, a triangular square root of the loss's curvature there.

    `dispersion` is the variance about the predictions (1 for maximum likelihood), and `loss` is the mean loss. `rest`
    are the rows that a `separation` leaves, or None if all rows are too many to be held in memory.
    """

    weights: NDArray
    root: NDArray
    dispersion: float
    loss: float
    separation: Separation | None = None
    rest: Rows | None = None
    messages: Sequence[str] = ()


def least_squares(standardized: Standardized, refined: bool) -> Generator[Pass, Any, Estimate]:
    """Compute ordinary least squares in one pass over the rows and the centred target, or in two if `refined`.

    Rows are reduced to a triangular factor, part by part (Demmel, Grigori, Hoemmen and Langou 2012, section 3). With
    `refined`, a step with residuals in extended precision follows if columns are close to collinear (Bjorck 1987,
    "Stability analysis of the method of seminormal equations for linear least squares problems").
    """
    factor = yield reduction(standardized)
    root, projected = factor[:, :-1], factor[:, -1]
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


@dataclass(frozen=True)
class Reduction:
    """Reduces standardised rows, with the centred target as last column, to a triangular factor."""

    standardized: Standardized

    def __call__(self, rows: Rows) -> NDArray:
        """Return the triangular factor of `rows`."""
        design = self.standardized(rows.features, extra_columns=1)
        design[:, -1] = rows.labels - self.standardized.target_mean
        if rows.weights is not None:
            design *= np.sqrt(rows.weights)[:, np.newaxis]
        return triangle(design)


def reduction(standardized: Standardized) -> Pass:
    """Return the pass of a `Reduction`."""
    return Pass(Reduction(standardized), joined)


def _extended_gradient(standardized: Standardized, weights: NDArray, rows: Rows) -> NDArray:
    design = standardized(rows.features.astype(np.longdouble))
    return rows.weighted(rows.labels - design @ weights.astype(np.longdouble)) @ design


def maximum_likelihood(
    standardized: Standardized, family: Family, guess: NDArray | None
) -> Generator[Pass, Any, Estimate]:
    """Compute the weights of the maximum of a likelihood by Newton's method, with one pass for each step.

    `guess` are coefficients in the original units, or None. If the labels are separated, penalised weights are computed
    (`firth.py`). Up to LARGE_ROWS rows are read into memory for it.
    """
    basis, inverse = None, np.eye(len(standardized.kept))
    weights = standardized.start(family) if guess is None else standardized.weights(guess)
    if family.outputs > 1:
        basis, inverse = yield from class_basis(standardized)
        weights = (weights.reshape(family.outputs, -1) @ inverse.T).ravel()
    if guess is None and standardized.rows > SAMPLED * SAMPLE_ROWS:
        weights = yield from _sampled(standardized, family, weights, basis)
    start = _of_columns(weights, basis, family)
    weights, here = yield from _newton(standardized, family, weights, basis)
    weights, root = _of_columns(weights, basis, family), here.root
    if basis is not None:
        root = root @ np.kron(np.eye(family.outputs), inverse)
    estimate = Estimate(weights, root, 1.0, here.loss * family.loss_factor)
    if not family.is_separable or here.extreme <= suspicious(standardized, family):
        return estimate
    count: int = yield COUNT
    if count > LARGE_ROWS:
        return (yield from _large_penalized(standardized, family, estimate, start, count))
    return _penalized(standardized, family, estimate, (yield COLLECT))


def _of_columns(weights: NDArray, basis: NDArray | None, family: Family) -> NDArray:
    """Return the weights of the standardised columns, from those of the columns times `basis`, if there is one."""
    return weights if basis is None else (weights.reshape(family.outputs, -1) @ basis.T).ravel()


def _penalized(standardized: Standardized, family: Family, estimate: Estimate, rows: Rows) -> Estimate:
    """Return Firth's estimate if the labels of `rows` are separated, and otherwise `estimate`."""
    design = standardized(rows.features)
    separation = separating(design, rows, family)
    if separation is None:
        return estimate
    weights, converged = firth(design, rows, family, standardized.kept)
    losses = family.predictor_losses(standardized.predictor(design, weights, rows), rows.labels)
    return replace(
        estimate,
        weights=weights,
        loss=float(np.average(losses, weights=rows.weights)),
        separation=separation,
        rest=rows.take(np.flatnonzero(separation.left(design, rows.labels, family)).astype(np.int32)),
        messages=_convergence(converged),
    )


def _large_penalized(
    standardized: Standardized, family: Family, estimate: Estimate, start: NDArray, count: int
) -> Generator[Pass, Any, Estimate]:
    """Compute what `_penalized` does in passes over `count` rows; Newton's method came from the weights `start`."""
    separation = yield from separating_in_passes(standardized, family, estimate.weights, count)
    if separation is None:
        return estimate
    weights, converged, loss = yield from firth_in_passes(standardized, family, start)
    return replace(estimate, weights=weights, loss=loss, separation=separation, messages=_convergence(converged))


def _convergence(converged: bool) -> list[str]:
    return [] if converged else ["Firth's estimate has not fully converged"]


def likelihood_at(standardized: Standardized, family: Family, weights: NDArray, basis: NDArray | None = None) -> Pass:
    """Return the pass that computes the likelihood at `weights`, for one linear predictor or for several."""
    if family.outputs > 1:
        return class_likelihood(standardized, family, weights, basis)
    return likelihood(standardized, family, weights)


def _newton(
    standardized: Standardized, family: Family, weights: NDArray, basis: NDArray | None
) -> Generator[Pass, Any, tuple[NDArray, Likelihood | ClassLikelihood]]:
    here = yield likelihood_at(standardized, family, weights, basis)
    for _ in range(NEWTON_STEPS):
        step = here.step()
        precision = max(1.0, here.curvature)  # The loss of large counts has as many digits less.
        if step @ here.gradient < CONVERGED * precision:
            return weights + step, here  # The last step needs no pass, and doubles the number of right digits.
        there = yield likelihood_at(standardized, family, weights + step, basis)
        while not there.loss <= here.loss + ROUNDING * precision and np.abs(step).max() > 1e-12:
            step = step / 2
            there = yield likelihood_at(standardized, family, weights + step, basis)
        weights, here = weights + step, there
    return weights, here


def _sampled(
    standardized: Standardized, family: Family, weights: NDArray, basis: NDArray | None
) -> Generator[Pass, Any, NDArray]:
    """Return the optimum on every n-th row, from which few steps lead to that of all, or `weights` if it has none."""
    every = int(standardized.rows // SAMPLE_ROWS)
    sample: Rows = yield Pass(lambda rows: rows.take(np.arange(0, len(rows), every, dtype=np.int32)), COLLECT.combine)
    if len(sample) < SAMPLE_ROWS // 2:  # The number of rows is smaller than the sum of their weights.
        return weights
    found, there = on_rows(_newton(standardized, family, weights, basis), sample)
    is_sound = np.isfinite(found).all() and there.extreme <= suspicious(standardized, family)
    return found if is_sound else weights


def suspicious(standardized: Standardized, family: Family) -> float:
    """Return the `extreme` of a likelihood beyond which the optimum may be infinite.

    The loss of a separated row falls by its share of the rows times exp(-extreme), until that is below CONVERGED. So
    the linear predictor of a single one of many rows ends nearer than those of many.
    """
    reached = -np.log(CONVERGED * standardized.rows) - SPARE
    if not family.is_count:
        return float(min(SUSPICIOUS_LOG_ODDS, reached))
    level = standardized.level(family)
    return float(min(SUSPICIOUS_LOGARITHM, reached + min(level, 0.0)) - level)


def scores_squared(
    standardized: Standardized, family: Family, weights: NDArray, inverse: NDArray, sampling: bool
) -> Pass:
    """Return the pass for the middle matrix of a robust covariance.

    The matrix is the sum of the rows' outer products times their squared residuals. `inverse` is that of the Gram
    matrix; with it, each residual of a least-squares fit is that of a fit to the other rows (HC3). The residuals of
    other families are those of Newton's method. A row that stands for so many equal rows counts as often; weights that
    come from `sampling` multiply the residuals.
    """
    if family.outputs > 1:
        return class_scores(standardized, family, weights, sampling)

    def outer_products(rows: Rows) -> NDArray:
        design, labels = standardized(rows.features), rows.labels
        predictor = standardized.predictor(design, weights, rows)
        if not family.is_least_squares:
            residual = family.newton(predictor, labels).residual
        else:
            leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
            rest = 1 - (rows.weighted(leverage) if sampling else leverage)
            residual = np.where(rest > LEFT_OUT, labels - predictor, np.inf) / np.maximum(rest, LEFT_OUT)
        if sampling:
            residual = rows.weighted(residual)
        squares = residual**2 if sampling else rows.weighted(residual**2)
        with np.errstate(invalid="ignore"):
            return (design * squares[:, np.newaxis]).T @ design

    return Pass(outer_products, operator.add)
