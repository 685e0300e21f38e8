"""The exact optimum of a regression, computed in float64 on standardised columns and converted to original units."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.rows import RowNumbers, Rows
from straightline.data.scaling import joined, moments
from straightline.data.source import Pass, Source, held, in_step
from straightline.families import Family
from straightline.regression.estimation import (
    Standardized,
    least_squares,
    maximum_likelihood,
    scores_squared,
)
from straightline.regression.messages import column_messages, inference_messages, undetermined_messages
from straightline.regression.separation import RANK_TOLERANCE, SEPARATES, Separation


@dataclass(frozen=True)
class Optimum:
    """The best linear predictor: `coefficients` `(1 + columns,)`, intercept first, in the columns' original units.

    `method` is `exact` or `firth`, and `loss` is the mean loss on the fitted rows. `estimates` are the coefficients,
    with NaN for each coefficient that the data do not determine. `covariance` is the covariance of the estimates, or
    None if it does not exist, and `errors` is its kind: `classical`, `HC3` or `sandwich`. `degrees_of_freedom` belongs
    to the residuals (inf for a logistic regression, since its statistic is asymptotically normal). Without an
    `intercept`, the first coefficient is 0 and the first estimate is NaN. `scales` `(columns,)` are the standard
    deviations of the columns.
    """

    coefficients: NDArray
    estimates: NDArray
    covariance: NDArray | None
    loss: float
    method: str
    degrees_of_freedom: float
    condition_number: float
    errors: str
    scales: NDArray
    intercept: bool = True
    messages: list[str] = field(default_factory=list)

    @property
    def identified(self) -> NDArray:
        """Which coefficients the data determine, `(1 + columns,)`."""
        return np.isfinite(self.estimates)

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictor `(rows,)` of `features` `(rows, columns)`: log odds for a binary target."""
        return np.add(self.coefficients[0], features @ self.coefficients[1:])


def optimum(rows: Rows, family: Family, names: Sequence[str], intercept: bool = True) -> Optimum:
    """Return the optimum on all `rows`, as `optima` does."""
    numbers = np.arange(len(rows), dtype=np.int32)
    return optima(held(rows), [numbers], family, names, intercept=intercept)[0]


def optima(
    source: Source,
    parts: Sequence[RowNumbers],
    family: Family,
    names: Sequence[str],
    start: Optimum | None = None,
    inference: bool = True,
    robust: bool = False,
    intercept: bool = True,
) -> list[Optimum]:
    """Return ordinary least squares, or the maximum of the family's likelihood, on each part.

    `parts` are row numbers of `source`, and `names` are the names of its columns. Each reading of the table serves all
    parts. `start` is a first guess, such as the optimum of all rows. Without an `intercept` the line goes through the
    origin.

    A constant column gets the weight 0. Collinear columns get the minimum-norm weights, which give the same predictions
    as any other solution. If the classes are separated, no maximum exists. Firth's penalised estimate then replaces it,
    and the rows of the part are read into memory.

    With `inference` the covariance is computed. Least squares is then also computed to the last digits, which needs
    another pass if columns are close to collinear. Without `inference`, messages that concern only coefficients are
    left out. A `robust` covariance needs another pass and stays valid if the model is wrong: HC3 for least squares
    (MacKinnon and White 1985, eq. 12), the sandwich for maximum likelihood (White 1982, theorem 3.2).
    """
    guess = None if start is None or start.method == "firth" else start.coefficients
    computations = [_optimum(family, names, guess, inference, robust, intercept) for _ in parts]
    return in_step(source, parts, computations, "exact regressions")


def _optimum(
    family: Family, names: Sequence[str], guess: NDArray | None, inference: bool, robust: bool, intercept: bool
) -> Generator[Pass, Any, Optimum]:
    found = yield Pass(moments, joined)
    standardized = Standardized(found, intercept)
    if family.is_least_squares:
        estimate = yield from least_squares(standardized, refined=inference)
    else:
        estimate = yield from maximum_likelihood(standardized, family, guess)
    separation, back = estimate.separation, standardized.back
    inverse, identified, condition, rank = _inverse(estimate.root, standardized.kept)
    robust = robust and separation is None
    covariance: NDArray | None = None
    if inference and standardized.rows > standardized.kept.sum():
        covariance = estimate.dispersion * inverse
        if robust:
            meat = yield scores_squared(
                standardized, family, estimate.weights, inverse if family.is_least_squares else None
            )
            with np.errstate(invalid="ignore"):  # The covariance is not finite if it does not exist.
                covariance = inverse @ meat @ inverse
        covariance = back @ covariance @ back.T if np.isfinite(covariance).all() else None
    estimates = np.where(identified, back @ estimate.weights, np.nan)
    messages = [*column_messages(standardized, identified, separation, names), *estimate.messages]
    if inference:
        messages += inference_messages(standardized, covariance, condition, separation)
    if separation is not None and inference:
        estimates, covariance = _finite_part(separation, family, back, names, intercept)
        messages += undetermined_messages(separation, estimates, names)
    return Optimum(
        coefficients=back @ estimate.weights,
        estimates=estimates,
        covariance=covariance,
        loss=estimate.loss,
        method="exact" if separation is None else "firth",
        degrees_of_freedom=float(standardized.rows - rank) if family.has_dispersion else np.inf,
        condition_number=condition,
        errors=family.robust_errors if robust else "classical",
        scales=found.deviations,
        intercept=intercept,
        messages=messages,
    )


def _finite_part(
    separation: Separation, family: Family, back: NDArray, names: Sequence[str], intercept: bool
) -> tuple[NDArray, NDArray | None]:
    """Return the finite estimates, with NaN for the infinite ones, and their covariance.

    The finite coefficients have no part in the separating direction. They are estimated from the rows that the
    direction does not separate (Albert and Anderson 1984, section 3).
    """
    if separation.complete:
        return np.full(len(back), np.nan), None
    rest = optimum(separation.rest, family, names, intercept)
    direction = np.abs(separation.direction)
    infinite = np.abs(back @ separation.direction) > SEPARATES * (np.abs(back) @ direction)
    infinite[1:] &= direction[1:] > SEPARATES
    return np.where(infinite, np.nan, rest.estimates), rest.covariance


def _inverse(root: NDArray, kept: NDArray) -> tuple[NDArray, NDArray, float, int]:
    """Return the inverse of the Gram matrix of `root`, which weights are identified, the condition number and the rank.

    A weight with a part in the null space is not identified.
    """
    _, singular, right = linalg.svd(root[:, kept], full_matrices=False)
    sound = singular > RANK_TOLERANCE * singular[0]
    inverse, identified = np.zeros((len(kept), len(kept))), kept.copy()
    inverse[np.ix_(kept, kept)] = (right[sound].T / singular[sound] ** 2) @ right[sound]
    loose = ~sound
    if right.shape[0] < right.shape[1]:
        identified[:] = False
    elif loose.any():
        identified[kept] = (np.abs(right[loose]) < 1e-8).all(axis=0)
    identified[0] &= identified[kept].all()  # The intercept in original units depends on all other weights.
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    return inverse, identified, condition, int(sound.sum())
