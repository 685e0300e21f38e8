"""The likelihood of a family with one linear predictor at some weights, and the step of Newton's method from there."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.regression.separation import RANK_TOLERANCE
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, triangle


class Likelihood(NamedTuple):
    """The likelihood at some weights, of half the deviance or of the cross-entropy.

    It holds the mean loss, its negative gradient, the triangular factor for a Newton step, the most extreme linear
    predictor without its offset, and the mean curvature. The most extreme one is the largest without its sign, or for
    counts, whose means may vanish but not be infinite, the largest with the opposite sign.
    """

    loss: Any
    gradient: Any
    triangle: Any
    extreme: Any
    curvature: Any

    @property
    def root(self) -> NDArray:
        """A square root of the curvature of the loss of all rows."""
        return np.asarray(self.triangle[:, :-1])

    def step(self) -> NDArray:
        """Return the Newton step."""
        return np.asarray(linalg.lstsq(self.triangle[:, :-1], self.triangle[:, -1], cond=RANK_TOLERANCE)[0])

    def penalized_step(self, penalty_root: NDArray, weights: NDArray) -> NDArray:
        """Return the Newton step if half the squares of `penalty_root` times `weights` are added to the loss of all."""
        root = np.vstack([self.triangle[:, :-1], penalty_root])
        target = np.append(self.triangle[:, -1], -penalty_root @ weights)
        return np.asarray(linalg.lstsq(root, target, cond=RANK_TOLERANCE)[0])


def likelihood(standardized: Standardized, family: Family, weights: NDArray) -> Pass:
    """Return the pass that computes the `Likelihood` at `weights` of the standardised columns."""

    def compute(rows: Rows) -> Likelihood:
        extended = standardized(rows.features, extra_columns=1)
        design = extended[:, :-1]
        predictor = standardized.predictor(design, weights, rows)
        residual, curvature = (rows.weighted(values) for values in family.newton(predictor, rows.labels))
        gradient = residual @ design / standardized.rows
        plain = predictor if rows.offset is None else predictor - rows.offset
        extreme = (-plain if family.is_count else np.abs(plain)).max()
        spread = np.sqrt(np.maximum(curvature, 1e-300))
        design *= spread[:, np.newaxis]
        extended[:, -1] = residual / spread
        losses = rows.weighted(family.predictor_losses(predictor, rows.labels))
        loss = float(losses.sum()) / family.loss_factor / standardized.rows
        return Likelihood(loss, gradient, triangle(extended), extreme, curvature.sum() / standardized.rows)

    def combine(first: Likelihood, second: Likelihood) -> Likelihood:
        return Likelihood(
            first.loss + second.loss,
            first.gradient + second.gradient,
            joined(first.triangle, second.triangle),
            max(first.extreme, second.extreme),
            first.curvature + second.curvature,
        )

    return Pass(compute, combine)
