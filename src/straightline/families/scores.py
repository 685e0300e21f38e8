"""How good predictions are: the loss that models are compared by, and the figures that people know."""

import numpy as np
from numpy.typing import NDArray

LOSSES = {"continuous": "mean_squared_error", "binary": "binary_crossentropy"}
ACTIVATIONS = {"continuous": "linear", "binary": "sigmoid"}
EPSILON = 1e-7  # Keras clips probabilities so (keras.config.epsilon), which bounds a row's cross-entropy by 16.1


def row_losses(truth: NDArray, prediction: NDArray, task: str) -> NDArray:
    """Return each row's squared error (task `continuous`) or cross-entropy (`binary`), float64 `(rows,)`."""
    truth, prediction = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    if task == "continuous":
        return np.square(truth - prediction)
    clipped = np.clip(prediction, EPSILON, 1 - EPSILON)
    return np.negative(truth * np.log(clipped) + (1 - truth) * np.log1p(-clipped))


def mean_loss(truth: NDArray, prediction: NDArray, task: str) -> float:
    """Return the mean of `row_losses`."""
    return float(row_losses(truth, prediction, task).mean())


def score(truth: NDArray, prediction: NDArray, task: str) -> dict[str, float | None]:
    """Return the held-out figures of one model.

    Continuous: `mse`, `rmse`, `mae`, `r2` (about the mean of `truth`; None where `truth` is constant). Binary:
    `cross_entropy`, `accuracy` at 0.5, `roc_auc` (None where `truth` has one class), `brier`. `loss` is the first.
    """
    from sklearn import metrics

    truth, prediction = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    loss = mean_loss(truth, prediction, task)
    varied = bool(np.ptp(truth) > 0)
    if task == "continuous":
        return {
            "loss": loss,
            "mse": loss,
            "rmse": float(np.sqrt(loss)),
            "mae": float(metrics.mean_absolute_error(truth, prediction)),
            "r2": float(metrics.r2_score(truth, prediction)) if varied else None,
        }
    return {
        "loss": loss,
        "cross_entropy": loss,
        "accuracy": float(np.mean((prediction > 0.5) == (truth > 0.5))),
        "roc_auc": float(metrics.roc_auc_score(truth, prediction)) if varied else None,
        "brier": float(np.mean((truth - prediction) ** 2)),
    }
