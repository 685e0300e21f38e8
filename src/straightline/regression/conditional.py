"""The coefficients of several classes that stay finite although some classes are separated.

A row keeps only the classes that no direction separates it from. The optimum of what is left is finite, but for
directions without any effect, whose coefficients are not determined.
"""

import operator
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.regression.multinomial import derivatives, scores_product
from straightline.regression.separation import Separation
from straightline.regression.standardized import Standardized

STEPS = 100
CONVERGED = 1e-13  # The largest decrease of the mean loss that another step would bring.
ROUNDING = 1e-6  # Smaller parts of directions of length 1 are rounding errors.
EIGENVALUES = 1e-11  # Eigenvalues of the curvature below this share of the largest count as zero.


def conditional_optimum(
    standardized: Standardized,
    family: Family,
    separation: Separation,
    robust: bool = False,
    sampling: bool = False,
) -> Generator[Pass, Any, tuple[NDArray, NDArray | None]]:
    """Compute estimates `(1 + columns, outputs)`, NaN where they are not determined, and their covariance.

    Rows keep the classes that `separation` allows. Those that keep one class change nothing. The covariance is the
    sandwich if it shall be `robust`, or if the weights of the rows come from `sampling`.
    """
    kept = Kept(standardized, family, separation)
    weights = np.zeros(standardized.outputs * len(standardized.kept))
    loss, gradient, hessian = yield kept.at(weights)
    for _ in range(STEPS):
        step = linalg.lstsq(hessian, gradient, cond=EIGENVALUES)[0]
        if step @ gradient < CONVERGED * standardized.rows:
            break
        there = yield kept.at(weights + step)
        while not there[0] <= loss and np.abs(step).max() > 1e-10:
            step = step / 2
            there = yield kept.at(weights + step)
        weights, (loss, gradient, hessian) = weights + step, there
    values, vectors = linalg.eigh(hessian)
    sound = values > EIGENVALUES * values[-1]
    identified = _identified(standardized, vectors[:, ~sound])
    inverse = (vectors[:, sound] / values[sound]) @ vectors[:, sound].T
    if robust or sampling:
        inverse = inverse @ (yield kept.scores(weights, sampling)) @ inverse
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


@dataclass(frozen=True)
class Kept:
    """Passes to sums over rows whose classes are those that a separation allows."""

    standardized: Standardized
    family: Family
    separation: Separation

    def at(self, weights: NDArray) -> Pass:
        """Return the pass that computes the loss at `weights`, its negative gradient and its curvature."""

        def compute(rows: Rows) -> tuple[float, NDArray, NDArray]:
            design, logarithms = self._logarithms(rows, weights)
            chosen = np.take_along_axis(logarithms, rows.labels.astype(int)[:, np.newaxis], axis=1)[:, 0]
            return -float(rows.weighted(chosen).sum()), *derivatives(design, rows, np.exp(logarithms))

        return Pass(compute, lambda first, second: tuple(map(operator.add, first, second)))

    def scores(self, weights: NDArray, sampling: bool) -> Pass:
        """Return the pass that computes the middle matrix of the sandwich (`multinomial.scores_product`)."""

        def compute(rows: Rows) -> NDArray:
            design, logarithms = self._logarithms(rows, weights)
            return scores_product(design, rows, np.exp(logarithms), sampling)

        return Pass(compute, operator.add)

    def _logarithms(self, rows: Rows, weights: NDArray) -> tuple[NDArray, NDArray]:
        """Return the standardised rows, and the logarithms of their classes' probabilities, -inf for other classes."""
        design = self.standardized(rows.features)
        predictor = self.standardized.predictor(design, weights, rows)
        logits = np.concatenate([np.zeros((len(rows), 1)), predictor], axis=1)
        allowed = self.separation.allowed(design, rows.labels, self.family)
        return design, np.asarray(special.log_softmax(np.where(allowed, logits, -np.inf), axis=1))
