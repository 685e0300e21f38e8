"""The loss of fitted models on the held-out rows of their folds."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.rows import Rows
from straightline.data.source import Pass, one_pass
from straightline.data.training_table import TrainingTable
from straightline.runtime.steps import step

Predictor = Callable[[NDArray], NDArray]  # maps features (rows, columns) to predictions (rows,)


def fold_losses(table: TrainingTable, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> list[dict[str, float]]:
    """Return for each fold the losses on its held-out rows.

    `loss` is the mean loss of the fold's predictor. `mean_loss` is the mean loss of predicting the mean of the training
    rows.
    """

    def loss_sums(predict: Predictor, mean: float) -> Pass:
        def sums(rows: Rows) -> NDArray:
            predictions = predict(rows.features), np.full(len(rows), mean)
            return np.array([table.family.row_losses(rows.labels, prediction).sum() for prediction in predictions])

        return Pass(sums, np.add)

    means = [table.family.baseline(table.labels[part.train]) for part in parts]
    with step("losses of the folds"):
        totals = one_pass(table.source, [part.test for part in parts], list(map(loss_sums, predictors, means)))
    return [
        {"loss": float(loss / len(part.test)), "mean_loss": float(mean_loss / len(part.test))}
        for part, (loss, mean_loss) in zip(parts, totals, strict=True)
    ]
