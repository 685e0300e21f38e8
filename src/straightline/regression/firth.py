"""Firth's penalised estimate, which is finite where the optimum is not.

The penalty is half the logarithm of the determinant of the information (Jeffreys' prior). For several classes see
Kosmidis and Firth 2011, "Multinomial logit bias reduction via the Poisson log-linear model", section 2.
"""

import operator
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass, on_rows
from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import Family
from straightline.regression.multinomial import derivatives
from straightline.regression.separation import RANK_TOLERANCE
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, triangle

LARGEST_STEP = 50.0  # of a weight. A log odds far beyond a thousand needs more steps of the usual 5 than there are.
STEPS = 1000
CONVERGED = 1e-17  # The largest increase of the penalised likelihood that another step promises.
ROUNDING = 1e-6  # The same where rounding errors end the steps.
SUM_ROUNDING = 1e-12  # A sum over the rows of a large table that is smaller by this share may be so by rounding only.
LAST_STEPS = 20  # So many steps at most follow where such sums are too coarse to compare.
SMALLEST_STEP = 1e-9  # of a weight, after which none of them follows. It leaves an error that is some share of it.

Basis = Callable[[Rows], NDArray]  # the rows as they enter the linear predictors, `(rows, directions)`


def firth(design: NDArray, rows: Rows, family: Family, kept: NDArray) -> tuple[NDArray, bool]:
    """Return Firth's weights of the standardised columns `design` of `rows`, and whether they have converged.

    Weights of columns that are not `kept` are 0. If columns are collinear, or more than the rows, the weights of the
    smallest norm are returned. They are computed for a basis of the space that the rows span; the choice of the basis
    does not change the effect of the penalty, which is a determinant. Raises UserError if the weights are not finite.
    """
    spanned = _spanned(design[:, kept])
    basis = design[:, kept] @ spanned.T
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.asarray(family.link(family.baseline(rows.labels, rows.weights, rows.offset)))
    level = np.where(np.isfinite(level), level, 0.0)  # It is infinite if a class has no row, or all counts are 0.
    start = linalg.lstsq(basis, np.tile(np.atleast_1d(level), (len(rows), 1)))[0].T.ravel()
    end = on_rows(_maximum(lambda rows: basis, family, start), rows)
    return _weights(end.weights, spanned, family, kept), end.converged


def firth_in_passes(
    standardized: Standardized, family: Family, start: NDArray
) -> Generator[Pass, Any, tuple[NDArray, bool, float]]:
    """Compute what `firth` does for all rows of a large table, and the mean loss there, in passes over the rows.

    The steps begin at the weights `start`, which should be far from infinite ones.
    A step takes two readings: the leverages of the rows need the information of all rows at the same weights. (With
    that of the last weights instead, the steps of a separated column would turn in circles.)
    """
    kept = standardized.kept
    root = yield Pass(lambda rows: triangle(standardized(rows.features)), joined)
    spanned = _spanned(root[:, kept])

    def basis(rows: Rows) -> NDArray:
        return np.asarray(standardized(rows.features)[:, kept] @ spanned.T)

    first = (start.reshape(family.outputs, -1)[:, kept] @ spanned.T).ravel()
    end = yield from _maximum(basis, family, first, SUM_ROUNDING)
    end = yield from _last_digits(basis, family, end)
    mean_loss = float(end.here.losses) * family.loss_factor / standardized.rows
    return _weights(end.weights, spanned, family, kept), end.converged, mean_loss


def _spanned(design: NDArray) -> NDArray:
    """Return the directions `(directions, columns)` of weights that change predictions."""
    _, singular, right = linalg.svd(design, full_matrices=False)
    return np.asarray(right[singular > RANK_TOLERANCE * singular[0]])


def _weights(found: NDArray, spanned: NDArray, family: Family, kept: NDArray) -> NDArray:
    if not np.isfinite(found).all():
        raise UserError("the labels are separated and Firth's regression has no finite answer; leave columns out")
    weights = np.zeros((family.outputs, len(kept)))
    weights[:, kept] = found.reshape(family.outputs, -1) @ spanned
    return weights.ravel()


class _End(NamedTuple):
    """Where steps end: whether the weights have converged, their likelihood, and the step that would follow."""

    weights: NDArray
    converged: bool
    here: "_Likelihood"
    step: NDArray


def _maximum(basis: Basis, family: Family, weights: NDArray, rounding: float = 0.0) -> Generator[Pass, Any, _End]:
    """Compute the maximum by steps of the information, halved until the penalised likelihood rises.

    If sums of likelihoods may be wrong by the share `rounding`, they may fall by it, and smaller increases end it.
    """
    here = yield _likelihood(basis, family, weights)
    step, promised = yield from _step(basis, family, weights, here)
    for _ in range(STEPS):
        if promised < max(CONVERGED, rounding) * max(1.0, abs(here.value)):
            return _End(weights, True, here, step)
        least = here.value - rounding * abs(here.value)
        step = step * min(1.0, LARGEST_STEP / np.abs(step).max())
        there = yield _likelihood(basis, family, weights + step)
        while not there.value >= least and np.abs(step).max() > 1e-10:
            step = step / 2
            there = yield _likelihood(basis, family, weights + step)
        if not there.value >= least:  # Only rounding errors are left, which ill-conditioned columns make large.
            return _End(weights, promised < ROUNDING * max(1.0, abs(here.value)), here, step)
        weights, here = weights + step, there
        step, promised = yield from _step(basis, family, weights, here)
    return _End(weights, False, here, step)


def _last_digits(basis: Basis, family: Family, end: _End) -> Generator[Pass, Any, _End]:
    """Compute more steps near the maximum, as long as they become smaller."""
    last = np.inf
    for _ in range(LAST_STEPS):
        size = np.abs(end.step).max()
        if not size < last:
            break
        last, end = size, end._replace(weights=end.weights + end.step)
        if size < SMALLEST_STEP:
            break
        here = yield _likelihood(basis, family, end.weights)
        step, _ = yield from _step(basis, family, end.weights, here)
        end = end._replace(here=here, step=step)
    return end


@dataclass(frozen=True, eq=False)
class _Likelihood:
    """The summed losses of the rows without the family's factor, their negative gradient, and their curvature."""

    losses: Any
    gradient: NDArray
    information: NDArray

    def __add__(self, other: "_Likelihood") -> "_Likelihood":
        return _Likelihood(
            self.losses + other.losses, self.gradient + other.gradient, self.information + other.information
        )

    @cached_property
    def factor(self) -> tuple[NDArray, bool] | None:
        """The Cholesky factor of the information, or None if it is singular."""
        try:
            return linalg.cho_factor(self.information)
        except linalg.LinAlgError:
            return None

    @property
    def value(self) -> float:
        """The penalised likelihood."""
        return -np.inf if self.factor is None else float(np.log(np.diag(self.factor[0])).sum() - self.losses)


def _likelihood(basis: Basis, family: Family, weights: NDArray) -> Pass:
    return Pass(partial(_likelihood_of, basis, family, weights), operator.add)


def _likelihood_of(basis: Basis, family: Family, weights: NDArray, rows: Rows) -> _Likelihood:
    design = basis(rows)
    predictor, prediction = _predicted(design, family, weights, rows)
    losses = rows.weighted(family.predictor_losses(predictor, rows.labels)) / family.loss_factor
    if family.outputs > 1:
        return _Likelihood(losses.sum(), *derivatives(design, rows, prediction))
    residual, curvature = (rows.weighted(values) for values in family.newton(predictor, rows.labels))
    return _Likelihood(losses.sum(), residual @ design, (design.T * curvature) @ design)


def _predicted(design: NDArray, family: Family, weights: NDArray, rows: Rows) -> tuple[NDArray, NDArray]:
    predictor = design @ weights.reshape(family.outputs, -1).T
    predictor = predictor if family.outputs > 1 else rows.shifted(predictor[:, 0])
    return predictor, family.inverse_link(predictor)


def _step(
    basis: Basis, family: Family, weights: NDArray, here: _Likelihood
) -> Generator[Pass, Any, tuple[NDArray, float]]:
    """Compute the step from `weights`, and the increase of the penalised likelihood that it promises."""
    if here.factor is None:
        return np.zeros_like(weights), 0.0
    inverse = linalg.cho_solve(here.factor, np.eye(len(here.information)))
    adjustment = yield Pass(partial(_adjustment_of, basis, family, weights, inverse), operator.add)
    score = here.gradient + adjustment.ravel() / 2
    step = inverse @ score
    return step, float(score @ step)


def _adjustment_of(basis: Basis, family: Family, weights: NDArray, inverse: NDArray, rows: Rows) -> NDArray:
    design = basis(rows)
    covariance = _covariance(design, inverse, family.outputs)
    _, prediction = _predicted(design, family, weights, rows)
    return np.asarray(rows.weighted(_adjustment(covariance, prediction, family)).T @ design)


def _covariance(basis: NDArray, inverse: NDArray, outputs: int) -> NDArray:
    """Return the covariance of the linear predictors of each row, `(rows, outputs, outputs)`."""
    blocks = inverse.reshape(outputs, basis.shape[1], outputs, basis.shape[1])
    covariance = np.empty((len(basis), outputs, outputs))
    for output in range(outputs):
        for other in range(outputs):
            covariance[:, output, other] = np.einsum("ij,ij->i", basis @ blocks[output, :, other], basis)
    return covariance


def _adjustment(covariance: NDArray, prediction: NDArray, family: Family) -> NDArray:
    """Return how the logarithm of the determinant changes with each row's linear predictors, `(rows, outputs)`.

    That is the product of the third cumulants of the labels with the covariance of the linear predictors.
    """
    if family.outputs == 1:
        return covariance[:, 0] * family.third_cumulant(prediction)[:, np.newaxis]
    chosen = prediction[:, 1:]
    variances = np.einsum("ijj->ij", covariance)
    mixed = np.einsum("ijk,ik->ij", covariance, chosen)
    mean = (chosen * variances).sum(axis=1, keepdims=True)
    square = (chosen * mixed).sum(axis=1, keepdims=True)
    return np.asarray(chosen * (variances - mean - 2 * mixed + 2 * square))
