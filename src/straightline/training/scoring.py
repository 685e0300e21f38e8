"""The loss of fitted models on the held-out rows of their folds."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.passes import Pass, one_pass
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.families import Family
from straightline.runtime.steps import step

# It maps features `(rows, columns)` to predictions `(rows,)` or `(rows, classes)` for the offset 0.
Predictor = Callable[[NDArray], NDArray]


class Linear(Protocol):
    """A straight line."""

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictors of `features` `(rows, columns)`."""


def regression_predictor(line: Linear, family: Family) -> Predictor:
    """Return the predictor of a straight line."""
    return lambda features: family.inverse_link(line.predict(features))


def fold_losses(table: TrainingTable, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> list[dict[str, float]]:
    """Return for each fold the losses on its held-out rows.

    `loss` is the mean loss of the fold's predictor. `mean_loss` is the mean loss of the prediction that uses no column.
    """
    family = table.family

    def loss_sums(predict: Predictor, mean: Any) -> Pass:
        def sums(rows: Rows) -> NDArray:
            predictions = predict(rows.features), np.broadcast_to(mean, (len(rows), *np.shape(mean)))
            shifted = (family.with_offset(prediction, rows.offset) for prediction in predictions)
            return np.array([rows.weighted(family.row_losses(rows.labels, each)).sum() for each in shifted])

        return Pass(sums, np.add)

    means = [table.baseline(part.train) for part in parts]
    with step("losses of the folds"):
        totals = one_pass(table.source, [part.test for part in parts], list(map(loss_sums, predictors, means)))
    return [
        {"loss": float(loss / table.total(part.test)), "mean_loss": float(mean_loss / table.total(part.test))}
        for part, (loss, mean_loss) in zip(parts, totals, strict=True)
    ]
