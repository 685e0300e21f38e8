"""The losses of fitted models on the rows of a large table that their folds test on."""

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.families import Family
from straightline.large.division import Division
from straightline.large.passes import THREADED, Engine, places_of_cells, reduced
from straightline.large.table import LargeTable, Leaf
from straightline.training.scoring import Predictor


def cell_losses(
    table: LargeTable,
    division: Division,
    predictors: Sequence[Sequence[Predictor]],
    baselines: Sequence[Any],
    engine: Engine = THREADED,
) -> list[NDArray]:
    """Return for each fold the sums of losses on the rows that it tests on, `(predictors + 1,)`.

    `predictors` are those of each fold. The last number is the loss of the prediction in `baselines`, which uses no
    column.
    """
    task = partial(_losses, table, division, predictors, baselines)
    found: list[NDArray] = reduced(table, task, _added, "losses of the folds", engine)
    return found


def _added(first: list[NDArray], second: list[NDArray]) -> list[NDArray]:
    return list(map(operator.add, first, second))


def _losses(
    table: LargeTable,
    division: Division,
    predictors: Sequence[Sequence[Predictor]],
    baselines: Sequence[Any],
    leaf: Leaf,
) -> list[NDArray]:
    block = table.read(leaf)
    places = places_of_cells(division, block)
    return [
        loss_sums(table.family, block.rows.take(places[division.test_cell(fold)]), fold_predictors, baseline)
        for fold, (fold_predictors, baseline) in enumerate(zip(predictors, baselines, strict=True))
    ]


def loss_sums(family: Family, rows: Rows, predictors: Sequence[Predictor], baseline: Any) -> NDArray:
    """Return the sum of the losses of each predictor on `rows`, and last that of the prediction `baseline`."""
    if not len(rows):
        return np.zeros(len(predictors) + 1)
    predictions = [predict(rows.features) for predict in predictors]
    predictions.append(np.broadcast_to(baseline, (len(rows), *np.shape(baseline))))
    shifted = (family.with_offset(prediction, rows.offset) for prediction in predictions)
    return np.array([rows.weighted(family.row_losses(rows.labels, each)).sum() for each in shifted])
