"""The exact optimum of a regression, in float64 on standardised columns, mapped back to the user's units."""

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
    """The best linear predictor: `coefficients` `(1 + columns,)`, intercept first, in the columns' own units.

    `method` is `exact` or `firth`; `loss` the mean loss on the rows fitted. `estimates` are the coefficients that
    exist, NaN where the data do not determine one, and `covariance` is theirs, None where it does not exist; `errors`
    is its kind, `classical`, `HC3` or `sandwich`. `degrees_of_freedom` are those of the residuals (inf for a logistic
    regression, whose statistic is asymptotically normal). Without an `intercept` that coefficient is 0 and no estimate.
    """

    coefficients: NDArray
    estimates: NDArray
    covariance: NDArray | None
    loss: float
    method: str
    degrees_of_freedom: float
    condition_number: float
    errors: str
    intercept: bool = True
    messages: list[str] = field(default_factory=list)

    @property
    def identified(self) -> NDArray:
        """Which coefficients exist."""
        return np.isfinite(self.estimates)

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictor `(rows,)` of `features` `(rows, columns)`; for a binary target the log odds."""
        return np.add(self.coefficients[0], features @ self.coefficients[1:])


def optimum(rows: Rows, family: Family, names: Sequence[str], intercept: bool = True) -> Optimum:
    """Return the optimum on all of `rows`; see `optima`."""
    every = np.arange(len(rows), dtype=np.int32)
    return optima(held(rows), [every], family, names, intercept=intercept)[0]


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

    `parts` are row numbers of `source`, whose columns are `names`; each reading of the table serves all parts. A
    constant column gets the weight 0. Collinear columns share the minimum-norm weights, which predict the same as any
    others. Where the classes are separated no maximum exists, and Firth's penalised estimate stands in; that takes the
    part's rows into memory. `start` is a guess, such as the optimum of all rows. `inference` asks for a covariance, and
    for the last digits of least squares, another pass where columns are near to collinear; without, nothing is told of
    what only concerns coefficients. A `robust` covariance, another pass too, holds where the model is wrong: HC3
    (MacKinnon and White 1985, eq. 12) for least squares, for maximum likelihood the sandwich (White 1982, theorem 3.2).
    Without an `intercept` the line goes through the origin.
    """
    guess = None if start is None or start.method == "firth" else start.coefficients
    return in_step(source, parts, [_optimum(family, names, guess, inference, robust, intercept) for _ in parts])


def _optimum(
    family: Family, names: Sequence[str], guess: NDArray | None, inference: bool, robust: bool, intercept: bool
) -> Generator[Pass, Any, Optimum]:
    of = yield Pass(moments, joined)
    standardized = Standardized(of, intercept)
    if family.is_least_squares:
        found = yield from least_squares(standardized, refined=inference)
    else:
        found = yield from maximum_likelihood(standardized, family, guess)
    separation, back = found.separation, standardized.back
    inverse, identified, condition, rank = _inverse(found.root, standardized.kept)
    robust = robust and separation is None
    covariance: NDArray | None = None
    if inference and of.rows > standardized.kept.sum():
        covariance = found.dispersion * inverse
        if robust:
            meat = yield scores_squared(
                standardized, family, found.weights, inverse if family.is_least_squares else None
            )
            with np.errstate(invalid="ignore"):  # where it does not exist
                covariance = inverse @ meat @ inverse
        covariance = back @ covariance @ back.T if np.isfinite(covariance).all() else None
    estimates = np.where(identified, back @ found.weights, np.nan)
    messages = [*column_messages(standardized, identified, separation, names), *found.messages]
    if inference:
        messages += inference_messages(standardized, covariance, condition, separation)
    if separation is not None and inference:
        estimates, covariance = _finite_part(separation, family, back, names, intercept)
        messages += undetermined_messages(separation, estimates, names)
    return Optimum(
        coefficients=back @ found.weights,
        estimates=estimates,
        covariance=covariance,
        loss=found.loss,
        method="exact" if separation is None else "firth",
        degrees_of_freedom=float(of.rows - rank) if family.has_dispersion else np.inf,
        condition_number=condition,
        errors=family.robust_errors if robust else "classical",
        intercept=intercept,
        messages=messages,
    )


def _finite_part(
    separation: Separation, family: Family, back: NDArray, names: Sequence[str], intercept: bool
) -> tuple[NDArray, NDArray | None]:
    """Return the estimates that are finite, and their covariance.

    They are those of the rows on which the separating direction does not decide, of coefficients that have no part in
    it (Albert and Anderson 1984, section 3).
    """
    if separation.complete:
        return np.full(len(back), np.nan), None
    rest = optimum(separation.rest, family, names, intercept)
    direction = np.abs(separation.direction)
    infinite = np.abs(back @ separation.direction) > SEPARATES * (np.abs(back) @ direction)
    infinite[1:] &= direction[1:] > SEPARATES
    return np.where(infinite, np.nan, rest.estimates), rest.covariance


def _inverse(root: NDArray, kept: NDArray) -> tuple[NDArray, NDArray, float, int]:
    """Invert the Gram matrix of `root`; a weight with a part in the null space is not identified."""
    _, singular, right = linalg.svd(root[:, kept], full_matrices=False)
    sound = singular > RANK_TOLERANCE * singular[0]
    inverse, identified = np.zeros((len(kept), len(kept))), kept.copy()
    inverse[np.ix_(kept, kept)] = (right[sound].T / singular[sound] ** 2) @ right[sound]
    loose = ~sound
    if right.shape[0] < right.shape[1]:
        identified[:] = False
    elif loose.any():
        identified[kept] = (np.abs(right[loose]) < 1e-8).all(axis=0)
    identified[0] &= identified[kept].all()  # the intercept at zero depends on every other weight
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    return inverse, identified, condition, int(sound.sum())
