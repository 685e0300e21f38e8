"""The exact optimum of a regression, computed in float64 on standardised columns and converted to original units."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass, in_step, on_rows, restricted
from straightline.data.rows import RowNumbers, Rows
from straightline.data.scaling import joined, moments
from straightline.data.source import Source, held_in_groups
from straightline.families import Family
from straightline.regression.conditional import conditional_optimum
from straightline.regression.dispersion import count_messages, variation
from straightline.regression.estimation import Estimate, least_squares, maximum_likelihood, scores_squared
from straightline.regression.messages import column_messages, inference_messages, undetermined_messages
from straightline.regression.optimum import CLASSICAL, Inference, Optimum
from straightline.regression.separation import RANK_TOLERANCE, SEPARATES, Separation
from straightline.regression.standardized import Standardized


def optimum(
    rows: Rows,
    family: Family,
    names: Sequence[str],
    intercept: bool = True,
    robust: bool = False,
    quasi: bool = False,
    sampling: bool = False,
) -> Optimum:
    """Return the optimum on all `rows`, as `optima` does."""
    numbers = np.arange(len(rows), dtype=np.int32)
    inference = Inference(robust, quasi, sampling)
    return optima(held_in_groups(rows), [numbers], family, names, inference=inference, intercept=intercept)[0]


def optima(
    source: Source,
    parts: Sequence[RowNumbers],
    family: Family,
    names: Sequence[str],
    start: Optimum | None = None,
    inference: Inference | None = CLASSICAL,
    intercept: bool = True,
    classes: Sequence[Any] | None = None,
) -> list[Optimum]:
    """Return ordinary least squares, or the maximum of the family's likelihood, on each part.

    `parts` are row numbers of `source`, and `names` are the names of its columns; `classes` are those of the labels.
    Each reading of the table serves all parts. `start` is a first guess, such as the optimum of all rows. Without an
    `intercept` the line goes through the origin.

    A constant column gets the weight 0. Collinear columns get the minimum-norm weights, which give the same predictions
    as any other solution. If the labels are separated, no maximum exists. Firth's penalised estimate then replaces it.
    Up to LARGE_ROWS rows of a part are read into memory for it.

    With `inference` the covariance is computed. Least squares is then also computed to the last digits, which needs
    another pass if columns are close to collinear. Without `inference`, messages that concern only coefficients are
    left out.
    """
    guess = None if start is None or start.method == "firth" else start.coefficients
    computations = [computation(family, names, guess, inference, intercept, classes) for _ in parts]
    return in_step(source, parts, computations, "exact regressions")


def computation(
    family: Family,
    names: Sequence[str],
    guess: NDArray | None,
    inference: Inference | None,
    intercept: bool,
    classes: Sequence[Any] | None,
) -> Generator[Pass, Any, Optimum]:
    """Compute what `optima` returns for a part, in passes over its rows; `guess` are coefficients to start from."""
    found = yield Pass(moments, joined)
    standardized = Standardized(found, intercept, family.outputs)
    if family.is_least_squares:
        estimate = yield from least_squares(standardized, refined=inference is not None)
    else:
        estimate = yield from maximum_likelihood(standardized, family, guess)
    separation = estimate.separation
    is_robust = inference is not None and (inference.robust or inference.sampling) and separation is None
    messages, dispersion = list(estimate.messages), estimate.dispersion if family.is_least_squares else None
    if inference is not None and (family.is_count or family.classical_errors != "classical") and separation is None:
        with_expected, dispersion, spread = yield from _with_dispersion(standardized, family, estimate, inference.quasi)
        # The sandwich has the observed curvature in it, which needs no assumption about the labels.
        estimate = estimate if is_robust else with_expected
        messages += spread
    inverse, identified, condition, rank = _inverse(estimate.root, standardized)
    covariance: NDArray | None = None
    errors = family.classical_errors
    if inference is not None and standardized.rows > standardized.kept.sum():
        covariance = estimate.dispersion * inverse
        if is_robust:
            errors = family.robust_errors
            meat = yield scores_squared(standardized, family, estimate.weights, inverse, inference.sampling)
            with np.errstate(invalid="ignore"):  # The covariance is not finite if it does not exist.
                covariance = inverse @ meat @ inverse
        covariance = standardized.covariance(covariance) if np.isfinite(covariance).all() else None
    coefficients = standardized.coefficients(estimate.weights)
    estimates = np.where(standardized.shaped(identified), coefficients, np.nan)
    messages = [*column_messages(standardized, identified, separation, names, classes), *messages]
    if inference is not None:
        messages += inference_messages(standardized, covariance, condition, separation)
    has_dispersion = family.has_dispersion or (family.is_count and inference is not None and inference.quasi)
    fitted = Optimum(
        coefficients=coefficients,
        estimates=estimates,
        covariance=covariance,
        loss=estimate.loss,
        method="exact" if separation is None else "firth",
        degrees_of_freedom=float(standardized.rows - rank) if has_dispersion else np.inf,
        condition_number=condition,
        errors=errors,
        scales=found.deviations,
        intercept=intercept,
        dispersion=dispersion,
        messages=messages,
    )
    if separation is None or inference is None:
        return fitted
    fitted = yield from _with_finite_part(fitted, separation, estimate.rest, family, standardized, names, inference)
    return replace(fitted, messages=[*messages, *undetermined_messages(separation, fitted.estimates, names)])


def _with_dispersion(
    standardized: Standardized, family: Family, estimate: Estimate, quasi: bool
) -> Generator[Pass, Any, tuple[Estimate, float, list[str]]]:
    """Return the estimate with the information that standard errors use, the dispersion and messages about it.

    The dispersion is computed by Pearson's statistic (McCullagh and Nelder 1989, section 9.2.3)."""
    found = yield variation(standardized, family, estimate.weights)
    freedom = standardized.rows - np.linalg.matrix_rank(found.root, rtol=RANK_TOLERANCE)
    estimated = found.pearson / max(freedom, 1)
    used = estimated if family.has_dispersion or quasi else 1.0
    messages = count_messages(found, freedom, quasi) if family.is_count else []
    return replace(estimate, root=found.root, dispersion=used), estimated, messages


def _with_finite_part(
    fitted: Optimum,
    separation: Separation,
    rest: Rows | None,
    family: Family,
    standardized: Standardized,
    names: Sequence[str],
    inference: Inference,
) -> Generator[Pass, Any, Optimum]:
    """Return Firth's fit with the finite estimates, NaN for the infinite ones, and their covariance.

    The finite coefficients have no part in the separating directions. They are estimated from the rows that the
    directions do not separate (Albert and Anderson 1984, section 3), among the classes that are left to them. These
    rows are `rest`, or if that is None, they are read again.
    """
    size = 1 + len(names)
    if separation.complete:
        return replace(fitted, estimates=np.full_like(fitted.estimates, np.nan), covariance=None)
    back = standardized.back
    infinite = np.array(
        [
            _infinite(back, direction.reshape(-1, size)[output])
            for direction in separation.directions
            for output in range(family.outputs)
        ]
    ).reshape(len(separation.directions), family.outputs, size)
    is_infinite = standardized.shaped(infinite.any(axis=0).ravel())
    if family.outputs > 1:
        is_robust = inference.robust or inference.sampling
        finite = conditional_optimum(standardized, family, separation, is_robust, inference.sampling)
        estimates, covariance = (yield from finite) if rest is None else on_rows(finite, rest)
        errors = family.robust_errors if is_robust else family.classical_errors
        return replace(fitted, estimates=np.where(is_infinite, np.nan, estimates), covariance=covariance, errors=errors)
    if rest is None:
        fit = computation(family, names, None, inference, standardized.intercept, None)
        of_rest = yield from restricted(
            fit, lambda rows: separation.left(standardized(rows.features), rows.labels, family)
        )
    else:
        options = {"robust": inference.robust, "quasi": inference.quasi, "sampling": inference.sampling}
        of_rest = optimum(rest, family, names, standardized.intercept, **options)
    return replace(
        fitted,
        estimates=np.where(is_infinite, np.nan, of_rest.estimates),
        covariance=of_rest.covariance,
        errors=of_rest.errors,
        dispersion=of_rest.dispersion,
        degrees_of_freedom=of_rest.degrees_of_freedom,
    )


def _infinite(back: NDArray, direction: NDArray) -> NDArray:
    sizes = np.abs(direction)
    infinite = np.abs(back @ direction) > SEPARATES * (np.abs(back) @ sizes)
    infinite[1:] &= sizes[1:] > SEPARATES
    return np.asarray(infinite)


def _inverse(root: NDArray, standardized: Standardized) -> tuple[NDArray, NDArray, float, int]:
    """Return the inverse of the Gram matrix of `root`, which weights are identified, the condition number and the rank.

    A weight with a part in the null space is not identified.
    """
    kept = standardized.all_kept
    _, singular, right = linalg.svd(root[:, kept])
    singular = np.pad(singular, (0, len(right) - len(singular)))  # With fewer rows than columns the others are 0.
    sound = singular > RANK_TOLERANCE * singular[0]
    inverse, identified = np.zeros((len(kept), len(kept))), kept.copy()
    inverse[np.ix_(kept, kept)] = (right[sound].T / singular[sound] ** 2) @ right[sound]
    identified[kept] = (np.abs(right[~sound]) < 1e-8).all(axis=0)
    by_output = identified.reshape(standardized.outputs, -1)
    # The intercept in original units depends on all other weights.
    by_output[:, 0] &= by_output[:, standardized.kept].all(axis=1)
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    return inverse, identified, condition, int(sound.sum())
