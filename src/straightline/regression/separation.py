"""Detect classes that the columns separate perfectly. A logistic regression then has no finite optimum."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from straightline.data.rows import Rows
from straightline.errors import UserError

RANK_TOLERANCE = 1e-10  # Singular values below this share of the largest count as zero.
LARGEST_STEP = 50.0  # of a weight. A log odds far beyond a thousand needs more steps of the usual 5 than there are.
SEPARATES = 1e-6  # Larger log odds are not rounding errors of the linear program, whose weights are at most 1.


@dataclass(frozen=True)
class Separation:
    """Weights of the standardised columns, `direction`, that separate the classes without a mistake.

    `rest` are the rows that the direction does not separate. It is empty if a direction separates all rows.
    """

    direction: NDArray
    rest: Rows

    @property
    def complete(self) -> bool:
        """Whether all rows are separated."""
        return not len(self.rest)

    @property
    def columns(self) -> NDArray:
        """Which columns take part in the direction, `(columns,)`."""
        return np.asarray(np.abs(self.direction[1:]) > SEPARATES * np.abs(self.direction).max())


def separating(design: NDArray, rows: Rows) -> Separation | None:
    """Return a direction that separates the classes, or None if there is none.

    It separates all rows with a margin of 1 or more if such a direction exists. Otherwise it separates at least one
    row and puts no row on the wrong side. `design` are the standardised `rows`. Both directions are solutions of
    linear programs (Konis 2007, section 4). The program for all rows minimises the sum of the absolute weights of the
    columns, so that many weights are zero. It takes longer, so it comes second.
    """
    signed = np.where(rows.labels > 0, 1.0, -1.0)[:, np.newaxis] * design
    bounds = [(-1, 1)] * design.shape[1]
    some_rows = optimize.linprog(-signed.sum(axis=0), -signed, np.zeros(len(signed)), bounds=bounds)
    if some_rows.status != 0 or -some_rows.fun <= SEPARATES:
        return None
    cost = np.append(0.0, np.ones(design.shape[1] - 1))
    both = np.hstack([-signed, signed])  # A weight is the difference of two weights that are not negative.
    all_rows = optimize.linprog(np.tile(cost, 2), both, -np.ones(len(signed)))
    if all_rows.status == 0:
        return Separation(np.subtract(*np.split(all_rows.x, 2)), rows.take(np.arange(0, dtype=np.int32)))
    rest = np.flatnonzero(signed @ some_rows.x <= SEPARATES).astype(np.int32)
    return Separation(some_rows.x, rows.take(rest))


def firth(design: NDArray, labels: NDArray, kept: NDArray) -> tuple[NDArray, bool]:
    """Return Firth's weights of the columns `kept` (Heinze and Schemper 2002, eq. 2), and whether they have converged.

    If columns are collinear, or more than the rows, the weights of the smallest norm are returned. They are computed
    for a basis of the space that the rows span; the choice of the basis does not change the effect of the penalty,
    which is a determinant. Raises UserError if the weights are not finite.
    """
    from firthmodels import FirthLogisticRegression

    rows = design[:, kept]
    _, singular, right = linalg.svd(rows, full_matrices=False)
    spanned = right[singular > RANK_TOLERANCE * singular[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The result also says whether the weights have converged.
        model = FirthLogisticRegression(
            max_iter=1000, max_step=LARGEST_STEP, gtol=1e-6, xtol=1e-6, fit_intercept=False
        ).fit(rows @ spanned.T, labels)
    if not np.isfinite(model.coef_).all():
        raise UserError("the classes are separated and Firth's regression has no finite answer; leave columns out")
    weights = np.zeros(len(kept))
    weights[kept] = np.ravel(model.coef_) @ spanned
    return weights, bool(model.converged_)
