"""The regression on a large table: on all rows, with standard errors, and on the training rows of every fold."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from straightline.data.passes import Pass, answered, either
from straightline.data.scaling import Moments, moments
from straightline.data.scaling import joined as joined_moments
from straightline.large import least_squares
from straightline.large.counts import Counts, counting
from straightline.large.division import Division
from straightline.large.likelihoods import fold_optima
from straightline.large.passes import THREADED, Engine, by_cell, reduced
from straightline.large.scoring import cell_losses
from straightline.large.table import LargeTable, Leaf
from straightline.regression import exact
from straightline.regression.estimation import Reduction
from straightline.regression.optimum import Inference, Optimum
from straightline.training.scoring import regression_predictor

TITLE = "exact regressions"


@dataclass(frozen=True, eq=False)
class FoldLine:
    """The regression on the training rows of a fold, its mean loss on the others, and that without columns.

    `test` and `train` count the rows of both.
    """

    optimum: Optimum
    loss: float
    mean_loss: float
    test: Counts
    train: Counts


@dataclass(frozen=True, eq=False)
class Lines:
    """The regression on all rows, and on each fold."""

    best: Optimum
    folds: list[FoldLine]


def regressions(
    table: LargeTable,
    division: Division,
    inference: Inference | None,
    intercept: bool = True,
    engine: Engine = THREADED,
) -> Lines:
    """Return the regressions without a penalty on all rows of `table` and on the training rows of every fold.

    Least squares needs one reading of the table, and another one for robust standard errors or nearly collinear
    columns. Other families need some ten. Raises UserError if a fold has no row to train or to test on.
    """
    fit = _least_squares if table.family.is_least_squares else _maximum_likelihood
    return fit(table, division, inference, intercept, engine)


def _least_squares(
    table: LargeTable, division: Division, inference: Inference | None, intercept: bool, engine: Engine
) -> Lines:
    reducing = least_squares.reducing(table.read(table.leaves[0]).rows)
    cells, counts = by_cell(table, division, [reducing, counting(table.family)], TITLE, engine)
    everything = _all(cells, reducing.combine)
    best = _solved(_computation(table, inference, intercept), everything, partial(_whole, table, engine))
    lines = []
    tests, trains = _divided(division, counts, counting(table.family))
    for fold, part in enumerate(division.training_results(cells, reducing.combine)):
        optimum = _solved(_computation(table, None, intercept), part, _impossible)
        cell = cells[division.test_cell(fold)]
        level = np.append(trains[fold].prediction, np.zeros(len(table.names)))
        lines.append(FoldLine(optimum, cell.loss(optimum.coefficients), cell.loss(level), tests[fold], trains[fold]))
    return Lines(best, lines)


def _maximum_likelihood(
    table: LargeTable, division: Division, inference: Inference | None, intercept: bool, engine: Engine
) -> Lines:
    passes = [Pass(moments, joined_moments), counting(table.family)]
    cells, counts = by_cell(table, division, passes, TITLE, engine)
    whole = _all(cells, joined_moments)
    best = _solved(_computation(table, inference, intercept), whole, partial(_whole, table, engine))
    tests, trains = _divided(division, counts, counting(table.family))
    of_folds = division.training_results(cells, joined_moments)
    optima = fold_optima(table, division, best, whole, of_folds, engine)
    predictors = [[regression_predictor(optimum, table.family)] for optimum in optima]
    losses = cell_losses(table, division, predictors, [train.prediction for train in trains], engine)
    return Lines(
        best,
        [
            FoldLine(optimum, float(loss / test.total), float(mean_loss / test.total), test, train)
            for optimum, (loss, mean_loss), test, train in zip(optima, losses, tests, trains, strict=True)
        ],
    )


def _computation(table: LargeTable, inference: Inference | None, intercept: bool) -> Generator[Pass, Any, Optimum]:
    return exact.computation(table.family, table.names, None, inference, intercept, table.target.classes)


def _solved(
    computation: Generator[Pass, Any, Optimum],
    known: least_squares.Reduced | Moments,
    read: Callable[[Pass], Any],
) -> Optimum:
    """Return the result of `computation`, whose passes are answered by what is `known` of its rows, or else `read`."""
    return answered(computation, partial(_answer, known, read))


def _answer(known: least_squares.Reduced | Moments, read: Callable[[Pass], Any], wanted: Pass) -> Any:
    if wanted.compute is moments:
        return known if isinstance(known, Moments) else known.moments()
    if isinstance(wanted.compute, Reduction) and isinstance(known, least_squares.Reduced):
        return known.reduction(wanted.compute.standardized)
    return read(wanted)


def _whole(table: LargeTable, engine: Engine, wanted: Pass) -> Any:
    """Return the result of a pass over all rows."""
    return reduced(table, partial(_of_leaf, table, wanted), wanted.combine, TITLE, engine)


def _of_leaf(table: LargeTable, wanted: Pass, leaf: Leaf) -> Any:
    return wanted.compute(table.read(leaf).rows)


def _impossible(wanted: Pass) -> Any:
    raise TypeError("least squares without inference needs moments and triangular factors only")


def _all(cells: Sequence[Any], combine: Callable[[Any, Any], Any]) -> Any:
    return reduce(partial(either, combine), cells)


def _divided(division: Division, counts: Sequence[Counts], counted: Pass) -> tuple[list[Counts], list[Counts]]:
    """Return what is counted in the tested rows, and in the training rows, of each fold."""
    trains = division.training_results(counts, counted.combine)
    return [counts[division.test_cell(fold)] for fold in division.folds], trains
