"""Ridge regression: a penalty on the slopes, chosen among PENALTIES by the loss on parts of the rows.

The penalised optimum minimises the mean of half the deviance plus half the penalty times the sum of squares of the
slopes of standardised columns (Hoerl and Kennard 1970, "Ridge Regression: Biased Estimation for Nonorthogonal
Problems"; le Cessie and van Houwelingen 1992, "Ridge Estimators in Logistic Regression"). Of several classes, whose
slopes are differences to the reference, the deviations from the mean of all classes are squared, so that predictions do
not depend on the reference (Friedman, Hastie and Tibshirani 2010, "Regularization Paths for Generalized Linear Models
via Coordinate Descent", section 4.1).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass, in_step, one_pass
from straightline.data.rows import RowNumbers, Rows
from straightline.data.scaling import joined, moments
from straightline.data.source import Source
from straightline.families import Family
from straightline.regression.estimation import NEWTON_STEPS, ROUNDING, likelihood_at, reduction
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import root_of
from straightline.runtime.steps import step

PENALTIES = 10.0 ** np.arange(-4, 1.1, 0.5)  # The largest leaves almost no slopes.
TITLE = "ridge regressions"
CONVERGED = 1e-12  # The largest decrease of the objective that another Newton step promises.


@dataclass(frozen=True)
class Line:
    """A straight line: coefficients, and the penalty that they were fitted with.

    The `coefficients` are `(1 + columns,)`, intercept first, or `(1 + columns, outputs)` for several linear predictors.
    """

    coefficients: NDArray
    penalty: float

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictor, `(rows,)` or `(rows, outputs)`, of `features` `(rows, columns)`."""
        return np.add(self.coefficients[0], features @ self.coefficients[1:])


def paths(
    source: Source,
    row_sets: Sequence[RowNumbers],
    family: Family,
    penalties: NDArray = PENALTIES,
    intercept: bool = True,
) -> list[list[Line]]:
    """Return the ridge regressions of each set of rows, one for each of the ascending `penalties`.

    All penalties of a least-squares fit come from one decomposition of its rows. Other families need a few passes over
    the rows for each penalty, by Newton's method. Without an `intercept` the lines go through the origin.
    """
    return in_step(source, row_sets, [_path(family, penalties, intercept) for _ in row_sets], TITLE)


def lines(
    source: Source,
    row_sets: Sequence[RowNumbers],
    family: Family,
    penalties: Sequence[float],
    intercept: bool = True,
) -> list[Line]:
    """Return the ridge regression of each set of rows, each with its penalty in `penalties`."""
    computations = [_path(family, np.array([penalty]), intercept) for penalty in penalties]
    found = in_step(source, row_sets, computations, TITLE)
    return [line for (line,) in found]


def part_losses(
    source: Source, parts: Sequence[RowNumbers], lines: Sequence[Sequence[Line]], family: Family
) -> NDArray:
    """Return the sums of the losses of each part's lines on its rows, `(parts, lines)`."""

    def losses(part_lines: Sequence[Line]) -> Pass:
        def sums(rows: Rows) -> NDArray:
            predictors = (rows.shifted(line.predict(rows.features)) for line in part_lines)
            losses = (rows.weighted(family.predictor_losses(predictor, rows.labels)) for predictor in predictors)
            return np.array([each.sum() for each in losses])

        return Pass(sums, np.add)

    with step("losses of the ridge regressions"):
        return np.array(one_pass(source, parts, [losses(part_lines) for part_lines in lines]))


def _path(family: Family, penalties: NDArray, intercept: bool) -> Generator[Pass, Any, list[Line]]:
    standardized = Standardized((yield Pass(moments, joined)), intercept, family.outputs)
    if family.is_least_squares:
        weights = _least_squares((yield reduction(standardized)), standardized, penalties)
    else:
        weights = yield from _newton(standardized, family, penalties)
    return [
        Line(standardized.coefficients(row), float(penalty)) for row, penalty in zip(weights, penalties, strict=True)
    ]


def _least_squares(triangle: NDArray, standardized: Standardized, penalties: NDArray) -> NDArray:
    """Return the weights `(penalties, 1 + columns)` from the triangular factor of the rows and the target."""
    left, singular, right = linalg.svd(triangle[:, 1:-1], full_matrices=False)
    shrunk = singular / (singular**2 + standardized.rows * penalties[:, np.newaxis])
    slopes = (shrunk * (left.T @ triangle[:, -1])) @ right
    return np.column_stack([np.full(len(penalties), standardized.target_mean), slopes])


def _newton(standardized: Standardized, family: Family, penalties: NDArray) -> Generator[Pass, Any, NDArray]:
    """Compute the weights `(penalties, weights)`; each penalty starts from the optimum of the next larger one."""
    weights = standardized.start(family)
    slopes = _slopes(family, len(standardized.kept))
    here = yield likelihood_at(standardized, family, weights)
    found = []
    for penalty in penalties[::-1]:
        for _ in range(NEWTON_STEPS):
            step = here.penalized_step(np.sqrt(standardized.rows * penalty) * slopes, weights)
            precision = max(1.0, here.curvature)  # The loss of large counts has as many digits less.
            if step @ (here.gradient - penalty * slopes.T @ (slopes @ weights)) < CONVERGED * precision:
                break
            there = yield likelihood_at(standardized, family, weights + step)
            least = here.loss + _penalty(slopes @ weights, penalty) + ROUNDING * precision
            while not there.loss + _penalty(slopes @ (weights + step), penalty) <= least and step.any():
                step = step / 2
                there = yield likelihood_at(standardized, family, weights + step)
            weights, here = weights + step, there
        else:
            step = np.zeros_like(weights)
        found.append(weights + step)  # The last step needs no pass, and doubles the number of right digits.
    return np.array(found[::-1])


def _slopes(family: Family, columns: int) -> NDArray:
    """Return the matrix that turns weights into numbers whose squares are penalised: the slopes, or deviations of them.

    The intercept is the first of the `columns`.
    """
    is_slope = np.diag((np.arange(columns) > 0).astype(float))
    if family.outputs == 1:
        return is_slope
    about_the_mean = np.eye(family.outputs) - 1 / (family.outputs + 1)  # The slopes of the reference are 0.
    return np.kron(root_of(about_the_mean), is_slope)


def _penalty(slopes: NDArray, penalty: float) -> float:
    return float(penalty / 2 * np.sum(slopes**2))
