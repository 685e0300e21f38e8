"""The loss of fitted models on the held-out rows of their folds."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.source import Pass, one_pass
from straightline.data.training_table import TrainingTable
from straightline.families.scores import row_losses

Predictor = Callable[[NDArray], NDArray]  # of features (rows, columns) to predictions (rows,)


def fold_losses(table: TrainingTable, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> list[dict[str, float]]:
    """Return the loss of each predictor on its fold's held-out rows, and that of the training rows' mean."""

    def sums(predict: Predictor, mean: float) -> Pass:
        def of(features: NDArray, labels: NDArray) -> NDArray:
            predictions = predict(features), np.full(len(labels), mean)
            return np.array([row_losses(labels, prediction, table.task).sum() for prediction in predictions])

        return Pass(of, np.add)

    means = [float(table.labels[part.train].mean()) for part in parts]
    asked = list(map(sums, predictors, means))
    found = one_pass(table.source, [part.test for part in parts], asked)
    return [
        {"loss": float(loss / len(part.test)), "mean_loss": float(mean_loss / len(part.test))}
        for part, (loss, mean_loss) in zip(parts, found, strict=True)
    ]
