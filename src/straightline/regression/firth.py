"""Firth's penalised estimate, which is finite where the optimum is not.

The penalty is half the logarithm of the determinant of the information (Jeffreys' prior). For several classes see
Kosmidis and Firth 2011, "Multinomial logit bias reduction via the Poisson log-linear model", section 2.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import Family
from straightline.regression.multinomial import derivatives
from straightline.regression.separation import RANK_TOLERANCE

LARGEST_STEP = 50.0  # of a weight. A log odds far beyond a thousand needs more steps of the usual 5 than there are.
STEPS = 1000
CONVERGED = 1e-17  # The largest increase of the penalised likelihood that another step promises.
ROUNDING = 1e-6  # The same where rounding errors end the steps.


def firth(design: NDArray, rows: Rows, family: Family, kept: NDArray) -> tuple[NDArray, bool]:
    """Return Firth's weights of the standardised columns `design` of `rows`, and whether they have converged.

    Weights of columns that are not `kept` are 0. If columns are collinear, or more than the rows, the weights of the
    smallest norm are returned. They are computed for a basis of the space that the rows span; the choice of the basis
    does not change the effect of the penalty, which is a determinant. Raises UserError if the weights are not finite.
    """
    _, singular, right = linalg.svd(design[:, kept], full_matrices=False)
    spanned = right[singular > RANK_TOLERANCE * singular[0]]
    basis = design[:, kept] @ spanned.T
    found, converged = _maximum(basis, rows, family)
    if not np.isfinite(found).all():
        raise UserError("the labels are separated and Firth's regression has no finite answer; leave columns out")
    weights = np.zeros((family.outputs, len(kept)))
    weights[:, kept] = found.reshape(family.outputs, -1) @ spanned
    return weights.ravel(), converged


def _maximum(basis: NDArray, rows: Rows, family: Family) -> tuple[NDArray, bool]:
    """Compute the maximum by steps of the information, halved until the penalised likelihood rises."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.asarray(family.link(family.baseline(rows.labels, rows.weights, rows.offset)))
    level = np.where(np.isfinite(level), level, 0.0)  # It is infinite if a class has no row, or all counts are 0.
    weights = linalg.lstsq(basis, np.tile(np.atleast_1d(level), (len(rows), 1)))[0].T.ravel()
    value, step, promised = _penalized(basis, rows, family, weights)
    for _ in range(STEPS):
        if promised < CONVERGED * max(1.0, abs(value)):
            return weights, True
        step = step * min(1.0, LARGEST_STEP / np.abs(step).max())
        there = _penalized(basis, rows, family, weights + step)
        while not there[0] >= value and np.abs(step).max() > 1e-10:
            step = step / 2
            there = _penalized(basis, rows, family, weights + step)
        if not there[0] >= value:  # Only rounding errors are left, which ill-conditioned columns make large.
            return weights, promised < ROUNDING * max(1.0, abs(value))
        weights, (value, step, promised) = weights + step, there
    return weights, False


def _penalized(basis: NDArray, rows: Rows, family: Family, weights: NDArray) -> tuple[float, NDArray, float]:
    """Return the penalised likelihood, the step from there, and the increase that it promises."""
    predictor = basis @ weights.reshape(family.outputs, -1).T
    predictor = predictor if family.outputs > 1 else rows.shifted(predictor[:, 0])
    losses = rows.weighted(family.predictor_losses(predictor, rows.labels)) / family.loss_factor
    prediction = family.inverse_link(predictor)
    if family.outputs > 1:
        gradient, information = derivatives(basis, rows, prediction)
    else:
        residual, curvature = (rows.weighted(values) for values in family.newton(predictor, rows.labels))
        gradient, information = residual @ basis, (basis.T * curvature) @ basis
    try:
        factor = linalg.cho_factor(information)
    except linalg.LinAlgError:
        return -np.inf, np.zeros_like(weights), 0.0
    inverse = linalg.cho_solve(factor, np.eye(len(information)))
    covariance = _covariance(basis, inverse, family.outputs)
    adjustment = rows.weighted(_adjustment(covariance, prediction, family)).T @ basis
    score = gradient + adjustment.ravel() / 2
    step = inverse @ score
    value = float(np.log(np.diag(factor[0])).sum() - losses.sum())
    return value, step, float(score @ step)


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
