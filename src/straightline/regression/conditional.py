"""The coefficients of several classes that stay finite although some classes are separated.

A row keeps only the classes that no direction separates it from. The optimum of what is left is finite, but for
directions without any effect, whose coefficients are not determined.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from straightline.data.rows import Rows
from straightline.regression.multinomial import derivatives, scores_product
from straightline.regression.standardized import Standardized

STEPS = 100
CONVERGED = 1e-13  # The largest decrease of the mean loss that another step would bring.
ROUNDING = 1e-6  # Smaller parts of directions of length 1 are rounding errors.
EIGENVALUES = 1e-11  # Eigenvalues of the curvature below this share of the largest count as zero.


def conditional_optimum(
    standardized: Standardized, rows: Rows, allowed: NDArray, robust: bool = False, sampling: bool = False
) -> tuple[NDArray, NDArray | None]:
    """Return estimates `(1 + columns, outputs)`, NaN where they are not determined, and their covariance.

    `allowed` `(rows, classes)` says which classes each of the `rows` keeps. The covariance is the sandwich if it shall
    be `robust`, or if the weights of the rows come from `sampling`.
    """
    design = standardized(rows.features)
    weights = np.zeros(standardized.outputs * design.shape[1])
    loss, gradient, hessian = _at(standardized, design, rows, allowed, weights)
    for _ in range(STEPS):
        step = linalg.lstsq(hessian, gradient, cond=EIGENVALUES)[0]
        if step @ gradient < CONVERGED * standardized.rows:
            break
        there = _at(standardized, design, rows, allowed, weights + step)
        while not there[0] <= loss and np.abs(step).max() > 1e-10:
            step = step / 2
            there = _at(standardized, design, rows, allowed, weights + step)
        weights, (loss, gradient, hessian) = weights + step, there
    values, vectors = linalg.eigh(hessian)
    sound = values > EIGENVALUES * values[-1]
    identified = _identified(standardized, vectors[:, ~sound])
    inverse = (vectors[:, sound] / values[sound]) @ vectors[:, sound].T
    if robust or sampling:
        probabilities = np.exp(_logarithms(standardized, design, rows, allowed, weights))
        inverse = inverse @ scores_product(design, rows, probabilities, sampling) @ inverse
    estimates = np.where(standardized.shaped(identified), standardized.coefficients(weights), np.nan)
    return estimates, standardized.covariance(inverse)


def _identified(standardized: Standardized, free: NDArray) -> NDArray:
    """Return which coefficients stay the same along the directions `free` `(weights, directions)` of the weights."""
    directions = free.reshape(standardized.outputs, -1, free.shape[1])
    stays = np.abs(directions) < ROUNDING
    intercepts = np.abs(np.einsum("j,ijk->ik", standardized.back[0], directions))
    sizes = np.einsum("j,ijk->ik", np.abs(standardized.back[0]), np.abs(directions))
    stays[:, 0] = (intercepts <= ROUNDING * sizes) | (sizes < ROUNDING)
    return stays.all(axis=2).ravel() & standardized.all_kept


def _at(
    standardized: Standardized, design: NDArray, rows: Rows, allowed: NDArray, weights: NDArray
) -> tuple[float, NDArray, NDArray]:
    logarithms = _logarithms(standardized, design, rows, allowed, weights)
    chosen = np.take_along_axis(logarithms, rows.labels.astype(int)[:, np.newaxis], axis=1)[:, 0]
    return -float(rows.weighted(chosen).sum()), *derivatives(design, rows, np.exp(logarithms))


def _logarithms(standardized: Standardized, design: NDArray, rows: Rows, allowed: NDArray, weights: NDArray) -> NDArray:
    """Return the logarithms of the probabilities of the classes, -inf for those that are not allowed."""
    predictor = standardized.predictor(design, weights, rows)
    logits = np.concatenate([np.zeros((len(rows), 1)), predictor], axis=1)
    return np.asarray(special.log_softmax(np.where(allowed, logits, -np.inf), axis=1))
