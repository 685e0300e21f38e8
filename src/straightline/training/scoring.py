"""The loss of fitted models on the held-out rows of their folds."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.rows import Rows
from straightline.data.source import Pass, one_pass
from straightline.data.training_table import TrainingTable

Predictor = Callable[[NDArray], NDArray]  # of features (rows, columns) to predictions (rows,)


def fold_losses(table: TrainingTable, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> list[dict[str, float]]:
    """Return the loss of each predictor on its fold's held-out rows, and that of the training rows' mean."""

    def sums(predict: Predictor, mean: float) -> Pass:
        def of(rows: Rows) -> NDArray:
            predictions = predict(rows.features), np.full(len(rows), mean)
            return np.array([table.family.row_losses(rows.labels, prediction).sum() for prediction in predictions])

        return Pass(of, np.add)

    means = [table.family.baseline(table.labels[part.train]) for part in parts]
    asked = list(map(sums, predictors, means))
    found = one_pass(table.source, [part.test for part in parts], asked)
    return [
        {"loss": float(loss / len(part.test)), "mean_loss": float(mean_loss / len(part.test))}
        for part, (loss, mean_loss) in zip(parts, found, strict=True)
    ]
