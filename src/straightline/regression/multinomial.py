"""The likelihood of several linear predictors, one for each class but the reference, and Newton's step from there.

With the probabilities p of a row, the curvature of its cross-entropy is (diag(p) - p p') times the product of the row
with itself, for all pairs of linear predictors (Boehning 1992, "Multinomial logistic regression algorithm", section 2).
"""

import operator
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.regression.separation import RANK_TOLERANCE
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, root_of, triangle

EIGENVALUES = 1e-13  # Eigenvalues of a curvature below this share of the largest count as zero.


class ClassLikelihood(NamedTuple):
    """The likelihood at some weights: what `likelihood.Likelihood` has, with the curvature of all rows as a matrix."""

    loss: Any
    gradient: Any
    hessian: Any
    extreme: Any
    curvature: Any
    rows: float

    @property
    def root(self) -> NDArray:
        """A square root of the curvature of the loss of all rows."""
        return root_of(self.hessian)

    def step(self) -> NDArray:
        """Return the Newton step."""
        return _solved(self.hessian, self.rows * self.gradient)

    def penalized_step(self, penalty_root: NDArray, weights: NDArray) -> NDArray:
        """Return the Newton step if half the squares of `penalty_root` times `weights` are added to the loss of all."""
        penalty = penalty_root.T @ penalty_root
        return _solved(self.hessian + penalty, self.rows * self.gradient - penalty @ weights)


def likelihood(standardized: Standardized, family: Family, weights: NDArray, basis: NDArray | None = None) -> Pass:
    """Return the pass that computes the `ClassLikelihood` at `weights`.

    The weights are those of the standardised columns times `basis` `(1 + columns, directions)`, if there is one.
    """

    def compute(rows: Rows) -> ClassLikelihood:
        design = standardized(rows.features)
        design = design if basis is None else design @ basis
        predictor = standardized.predictor(design, weights, rows)
        loss = float(rows.weighted(family.predictor_losses(predictor, rows.labels)).sum()) / standardized.rows
        gradient, hessian = derivatives(design, rows, family.inverse_link(predictor))
        extreme = np.abs(predictor).max()
        curvature = np.trace(hessian) / standardized.rows
        return ClassLikelihood(loss, gradient / standardized.rows, hessian, extreme, curvature, standardized.rows)

    def combine(first: ClassLikelihood, second: ClassLikelihood) -> ClassLikelihood:
        return ClassLikelihood(
            first.loss + second.loss,
            first.gradient + second.gradient,
            first.hessian + second.hessian,
            max(first.extreme, second.extreme),
            first.curvature + second.curvature,
            first.rows,
        )

    return Pass(compute, combine)


def derivatives(design: NDArray, rows: Rows, probabilities: NDArray) -> tuple[NDArray, NDArray]:
    """Return the negative gradient and the curvature of the summed cross-entropy, class after class.

    `design` are the `rows` as they enter the linear predictors, `probabilities` `(rows, classes)` those of their
    classes.
    """
    chosen = probabilities[:, 1:]
    gradient = (rows.weighted(residuals(rows.labels, probabilities)).T @ design).ravel()
    outputs, columns = chosen.shape[1], design.shape[1]
    hessian = np.empty((outputs, columns, outputs, columns))
    for output in range(outputs):
        factors = -chosen[:, [output]] * chosen
        factors[:, output] += chosen[:, output]
        factors = rows.weighted(factors)
        for other in range(output, outputs):
            block = (design.T * factors[:, other]) @ design
            hessian[output, :, other], hessian[other, :, output] = block, block.T
    return gradient, hessian.reshape(outputs * columns, -1)


def class_basis(standardized: Standardized) -> Generator[Pass, Any, tuple[NDArray, NDArray]]:
    """Compute a basis in which the columns are orthonormal, `(1 + columns, directions)`, and its inverse.

    Collinear columns leave fewer directions. In this basis the curvature is as precise as the columns allow, although
    it is a sum of squares.
    """

    def reduced(rows: Rows) -> NDArray:
        design = standardized(rows.features)
        if rows.weights is not None:
            design *= np.sqrt(rows.weights)[:, np.newaxis]
        return triangle(design)

    root = yield Pass(reduced, joined)
    _, singular, right = linalg.svd(root[:, standardized.kept], full_matrices=False)
    sound = singular > RANK_TOLERANCE * singular[0]
    scaled = np.sqrt(standardized.rows) / singular[sound]
    basis, inverse = np.zeros((len(standardized.kept), sound.sum())), np.zeros((sound.sum(), len(standardized.kept)))
    basis[standardized.kept] = right[sound].T * scaled
    inverse[:, standardized.kept] = right[sound] / scaled[:, np.newaxis]
    return basis, inverse


def class_scores(standardized: Standardized, family: Family, weights: NDArray, sampling: bool) -> Pass:
    """Return the pass for the middle matrix of the sandwich (White 1982, theorem 3.2): the outer products of scores."""

    def outer_products(rows: Rows) -> NDArray:
        design = standardized(rows.features)
        probabilities = family.inverse_link(standardized.predictor(design, weights, rows))
        return scores_product(design, rows, probabilities, sampling)

    return Pass(outer_products, operator.add)


def scores_product(design: NDArray, rows: Rows, probabilities: NDArray, sampling: bool) -> NDArray:
    """Return the sum of the outer products of the rows' scores, for the arguments of `derivatives`.

    A row counts once if its weight comes from `sampling`, and otherwise as often as its weight says.
    """
    scores = (residuals(rows.labels, probabilities)[:, :, np.newaxis] * design[:, np.newaxis]).reshape(len(rows), -1)
    scores = rows.weighted(scores)
    return np.asarray(scores.T @ (scores if sampling or rows.weights is None else (scores.T / rows.weights).T))


def residuals(labels: NDArray, probabilities: NDArray) -> NDArray:
    """Return the negative derivatives of the cross-entropies by the linear predictors, `(rows, classes - 1)`."""
    numbers = labels.astype(int)[:, np.newaxis]
    return np.asarray((np.arange(1, probabilities.shape[1]) == numbers) - probabilities[:, 1:])


def _solved(matrix: NDArray, target: NDArray) -> NDArray:
    try:
        factor = linalg.cho_factor(matrix)
        if np.diag(factor[0]).min() > np.sqrt(EIGENVALUES) * np.diag(factor[0]).max():
            return np.asarray(linalg.cho_solve(factor, target))
    except linalg.LinAlgError:
        pass
    return np.asarray(linalg.lstsq(matrix, target, cond=EIGENVALUES)[0])
