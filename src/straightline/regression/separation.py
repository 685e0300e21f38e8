"""Classes that columns tell apart without a mistake, for which a logistic regression has no finite optimum."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from straightline.data.rows import Rows
from straightline.errors import UserError

RANK_TOLERANCE = 1e-10
SEPARATES = 1e-6  # log odds that are more than a linear program's rounding, of directions of at most 1


@dataclass(frozen=True)
class Separation:
    """Classes that weights of the standardised columns, `direction`, tell apart without a mistake.

    `rest` are the rows on which it does not decide; there are none where some direction decides all.
    """

    direction: NDArray
    rest: Rows

    @property
    def complete(self) -> bool:
        """Whether no row is left."""
        return not len(self.rest)

    @property
    def columns(self) -> NDArray:
        """Which columns have a part in the direction, `(columns,)`."""
        return np.asarray(np.abs(self.direction[1:]) > SEPARATES * np.abs(self.direction).max())


def separating(design: NDArray, rows: Rows) -> Separation | None:
    """Find a direction that every row favours by 1 or more, or else one that some row favours and none contradicts.

    `design` are the standardised `rows`. These are linear programs (Konis 2007, section 4); the first makes the weights
    of the columns small, which zeroes many.
    """
    signed = np.where(rows.labels > 0, 1.0, -1.0)[:, np.newaxis] * design
    cost = np.append(0.0, np.ones(design.shape[1] - 1))
    both = np.hstack([-signed, signed])  # weights as differences of two that are not negative
    all_rows = optimize.linprog(np.tile(cost, 2), both, -np.ones(len(signed)))
    if all_rows.status == 0:
        return Separation(np.subtract(*np.split(all_rows.x, 2)), rows.take(np.arange(0, dtype=np.int32)))
    bounds = [(-1, 1)] * design.shape[1]
    some_rows = optimize.linprog(-signed.sum(axis=0), -signed, np.zeros(len(signed)), bounds=bounds)
    if some_rows.status != 0 or -some_rows.fun <= SEPARATES:
        return None
    left = np.flatnonzero(signed @ some_rows.x <= SEPARATES).astype(np.int32)
    return Separation(some_rows.x, rows.take(left))


def firth(design: NDArray, labels: NDArray, kept: NDArray) -> tuple[NDArray, bool]:
    """Return Firth's weights of the columns `kept` (Heinze and Schemper 2002, eq. 2), and whether they are converged.

    Collinear columns, and more columns than rows, share the weights of the least norm: the penalty, a determinant, is
    that of as many combinations as the rows span, whichever they are. Raises UserError where they are not finite.
    """
    from firthmodels import FirthLogisticRegression

    rows = design[:, kept]
    _, singular, right = linalg.svd(rows, full_matrices=False)
    spanned = right[singular > RANK_TOLERANCE * singular[0]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no convergence, which the result tells too
        model = FirthLogisticRegression(max_iter=1000, gtol=1e-6, xtol=1e-6, fit_intercept=False).fit(
            rows @ spanned.T, labels
        )
    if not np.isfinite(model.coef_).all():
        raise UserError("the classes are separated and Firth's regression has no finite answer; leave columns out")
    weights = np.zeros(len(kept))
    weights[kept] = np.ravel(model.coef_) @ spanned
    return weights, bool(model.converged_)
