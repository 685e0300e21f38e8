"""The maximum of a likelihood on the training rows of every fold of a large table, for all folds together.

The optimum of all rows is near that of each fold. One reading computes gradient and curvature of each cell there. Then
a reading computes the gradients of all folds, each at its coefficients, and their steps keep the curvature of the first
reading: the error of a step is some share of the last one that falls with the number of rows (Kantorovich's modified
Newton method; Ortega and Rheinboldt 1970, section 12.6.2). Two or three readings bring all folds to the last digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from straightline.data.passes import Pass, answered_together, either
from straightline.data.scaling import Moments
from straightline.families import Family
from straightline.large.division import Division
from straightline.large.passes import THREADED, Engine, by_cell, reduced
from straightline.large.table import LargeTable, Leaf
from straightline.regression import exact
from straightline.regression.estimation import CONVERGED, likelihood_at, suspicious
from straightline.regression.multinomial import residuals
from straightline.regression.optimum import Optimum
from straightline.regression.separation import RANK_TOLERANCE
from straightline.regression.standardized import Standardized

# With the curvature of the start, the last step only divides the error by some number; Newton's method would square it.
CLOSE = 1e-4 * CONVERGED
TITLE = "exact regressions of the folds"
READINGS = 8  # A fold that has not converged after so many readings is fitted alone.


@dataclass(frozen=True, eq=False)
class _Fold:
    """A fold's standardised columns, the matrix `back` from weights of these to weights of the columns of all rows, and
    the inverse curvature at the start."""

    standardized: Standardized
    back: NDArray
    inverse: NDArray


def fold_optima(
    table: LargeTable,
    division: Division,
    best: Optimum,
    whole: Moments,
    of_folds: Sequence[Moments],
    engine: Engine = THREADED,
) -> list[Optimum]:
    """Return the optimum of the training rows of each fold.

    `best` is the optimum of all rows, whose moments are `whole`; `of_folds` are those of the folds' training rows. A
    fold whose labels may be separated, or whose steps do not converge, is fitted alone (`fitted_alone`).
    """
    if best.method == "firth":
        return fitted_alone(table, division, division.folds, best, engine)
    family, outputs = table.family, table.family.outputs
    common = Standardized(whole, best.intercept, outputs)
    start = likelihood_at(common, family, common.weights(best.coefficients))
    (cells,) = by_cell(table, division, [start], TITLE, engine)
    likelihoods = division.training_results(cells, start.combine)
    standards = [Standardized(each, best.intercept, outputs) for each in of_folds]
    folds = [_fold(common, each, found, outputs) for each, found in zip(standards, likelihoods, strict=True)]
    weights = np.array([each.standardized.weights(best.coefficients) for each in folds])
    for number, (fold, found) in enumerate(zip(folds, likelihoods, strict=True)):
        weights[number] += fold.inverse @ (fold.back.T @ (common.rows * found.gradient))
    converged, extremes = np.zeros(len(folds), bool), np.zeros(len(folds))
    for _ in range(READINGS):
        at = np.array([fold.back @ of_fold for fold, of_fold in zip(folds, weights, strict=True)])
        task = partial(_gradients, table, division, common, at)
        gradients, curvatures, extremes = reduced(table, task, _added, TITLE, engine)
        steps = np.array([fold.inverse @ (fold.back.T @ each) for fold, each in zip(folds, gradients, strict=True)])
        for number, (fold, step) in enumerate(zip(folds, steps, strict=True)):
            gain = float(step @ (fold.back.T @ gradients[number])) / fold.standardized.rows
            precision = max(1.0, curvatures[number] / fold.standardized.rows)
            converged[number] = abs(gain) < CLOSE * precision
        weights = weights + steps  # The last step needs no reading.
        if converged.all():
            break
    is_sound = [
        is_done and extreme <= suspicious(fold.standardized, family)
        for fold, is_done, extreme in zip(folds, converged, extremes, strict=True)
    ]
    others = iter(
        fitted_alone(table, division, [fold for fold, sound in enumerate(is_sound) if not sound], best, engine)
    )
    return [
        _optimum(fold, of_fold, best) if sound else next(others)
        for fold, of_fold, sound in zip(folds, weights, is_sound, strict=True)
    ]


def _fold(common: Standardized, standardized: Standardized, found: Any, outputs: int) -> _Fold:
    to_common = np.zeros((len(common.kept), len(common.kept)))
    used = standardized.kept[1:]
    to_common[0, 0] = standardized.kept[0]
    ratio = np.where(used, common.scale / standardized.scale, 0.0)
    to_common[1:, 1:] = np.diag(ratio)
    to_common[0, 1:] = np.where(used, (common.center - standardized.center) / standardized.scale, 0.0)
    back = np.kron(np.eye(outputs), to_common)
    root = found.root @ back
    _, singular, right = linalg.svd(root, full_matrices=False)
    sound = singular > RANK_TOLERANCE * singular[0]
    return _Fold(standardized, back, (right[sound].T / singular[sound] ** 2) @ right[sound])


def _gradients(
    table: LargeTable, division: Division, common: Standardized, weights: NDArray, leaf: Leaf
) -> tuple[NDArray, NDArray, NDArray]:
    """Return the sums of each fold's gradients and curvatures at its weights, and its most extreme linear predictor.

    `weights` are `(folds, weights)`, those of the columns that are standardised by all rows.
    """
    block = table.read(leaf)
    rows, family = block.rows, table.family
    cells = division.cells_of(block.keys)
    design = common(rows.features)
    found = []
    for fold, of_fold in enumerate(weights):
        is_trained = division.is_trained(fold)[cells]
        predictor = common.predictor(design, of_fold, rows)
        residual, curvature = _derivatives(family, predictor, rows.labels)
        masked = rows.weighted(residual) * (is_trained if family.outputs == 1 else is_trained[:, np.newaxis])
        plain = predictor if rows.offset is None else predictor - rows.offset
        extreme = (-plain if family.is_count else np.abs(plain))[is_trained].max(initial=-np.inf)
        found.append(((masked.T @ design).ravel(), rows.weighted(curvature)[is_trained].sum(), extreme))
    gradients, curvatures, extremes = zip(*found, strict=True)
    return np.array(gradients), np.array(curvatures), np.array(extremes)


def _derivatives(family: Family, predictor: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    if family.outputs == 1:
        return family.newton(predictor, labels)
    return residuals(labels, family.inverse_link(predictor)), np.ones(len(labels))


def _added(first: tuple[NDArray, ...], second: tuple[NDArray, ...]) -> tuple[NDArray, ...]:
    return first[0] + second[0], first[1] + second[1], np.maximum(first[2], second[2])


def _optimum(fold: _Fold, weights: NDArray, best: Optimum) -> Optimum:
    """Return the optimum of a fold, of which nothing but the coefficients is needed."""
    coefficients = fold.standardized.coefficients(weights)
    return Optimum(
        coefficients=coefficients,
        estimates=coefficients,
        covariance=None,
        loss=np.nan,
        method="exact",
        degrees_of_freedom=np.inf,
        condition_number=np.nan,
        errors=best.errors,
        scales=best.scales,
        intercept=best.intercept,
    )


def fitted_alone(
    table: LargeTable, division: Division, folds: Sequence[int], best: Optimum, engine: Engine = THREADED
) -> list[Optimum]:
    """Return the optimum of the training rows of each of `folds`, by the computation for tables in memory.

    The passes of all folds share their readings.
    """
    # Of separated labels, the penalised coefficients of all rows are near those of a fold too.
    guess, classes = best.coefficients, table.target.classes
    fits = [exact.computation(table.family, table.names, guess, None, best.intercept, classes) for _ in folds]

    def read(passes: Mapping[int, Pass]) -> Any:
        wanted = {folds[number]: each for number, each in passes.items()}
        task, joined = partial(_of_folds, table, division, wanted), partial(_joined, list(wanted.values()))
        return reduced(table, task, joined, TITLE, engine)

    return answered_together(fits, read)


def _of_folds(table: LargeTable, division: Division, wanted: Mapping[int, Pass], leaf: Leaf) -> list[Any]:
    """Return the result of a pass over the training rows of each fold in `wanted`; None for a fold without rows."""
    block = table.read(leaf)
    cells = division.cells_of(block.keys)
    parts = [np.flatnonzero(division.is_trained(fold)[cells]).astype(np.int32) for fold in wanted]
    return [
        each.compute(block.rows.take(part)) if len(part) else None
        for each, part in zip(wanted.values(), parts, strict=True)
    ]


def _joined(passes: Sequence[Pass], first: Sequence[Any], second: Sequence[Any]) -> list[Any]:
    return [either(wanted.combine, one, other) for wanted, one, other in zip(passes, first, second, strict=True)]
