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
from straightline.large.passes import Engine, Threads, places_of_cells, reduced
from straightline.large.table import LargeTable, Leaf
from straightline.training.scoring import Predictor


def cell_losses(
    table: LargeTable,
    division: Division,
    predictors: Sequence[Sequence[Predictor]],
    baselines: Sequence[Any],
    engine: Engine = Threads(),
) -> NDArray:
    """Return the sums of losses on the rows that each fold tests on, `(folds, predictors + 1)`.

    `predictors` are those of each fold, as many for all. The last column is the loss of the prediction in `baselines`,
    which uses no column.
    """
    task = partial(_losses, table, division, predictors, baselines)
    return np.asarray(reduced(table, task, operator.add, "losses of the folds", engine))


def _losses(
    table: LargeTable,
    division: Division,
    predictors: Sequence[Sequence[Predictor]],
    baselines: Sequence[Any],
    leaf: Leaf,
) -> NDArray:
    block = table.read(leaf)
    places = places_of_cells(division, block)
    return np.array(
        [
            loss_sums(table.family, block.rows.take(places[division.test_cell(fold)]), fold_predictors, baseline)
            for fold, (fold_predictors, baseline) in enumerate(zip(predictors, baselines, strict=True))
        ]
    )


def loss_sums(family: Family, rows: Rows, predictors: Sequence[Predictor], baseline: Any) -> list[float]:
    """Return the sum of the losses of each predictor on `rows`, and last that of the prediction `baseline`."""
    if not len(rows):
        return [0.0] * (len(predictors) + 1)
    predictions = [predict(rows.features) for predict in predictors]
    predictions.append(np.broadcast_to(baseline, (len(rows), *np.shape(baseline))))
    shifted = (family.with_offset(prediction, rows.offset) for prediction in predictions)
    return [float(rows.weighted(family.row_losses(rows.labels, each)).sum()) for each in shifted]
