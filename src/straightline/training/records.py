"""The results of training: a fitted variant, and the tables about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models.regression import SIDES
from straightline.regression.certificate import Certificate
from straightline.training import fit


@dataclass(frozen=True)
class Trained:
    """A fitted variant.

    `model` is the model to ship, which maps raw float64 columns to predictions. `messages` are remarks on the training
    for the user. `fold_history` is None for a regression; `coefficients` and `certificate` are None for a network.
    """

    model: keras.Model
    history: pd.DataFrame
    folds: pd.DataFrame
    learning: pd.DataFrame
    weights: dict[str, Any]
    messages: list[str]
    fold_history: pd.DataFrame | None = None
    coefficients: pd.DataFrame | None = None
    certificate: Certificate | None = None


def fold_place(part: Fold, seed: int) -> dict[str, int]:
    """Return the columns of folds.csv that identify a row and count its rows."""
    return {
        "repeat": part.repeat,
        "fold": part.fold,
        "seed": seed,
        "rows": len(part.test),
        "train_rows": len(part.train),
    }


def learning_table(subsets: list[Fold], losses: list[float]) -> pd.DataFrame:
    """Return the table of learning.csv: the loss by the number of training rows."""
    rows = [(len(part.train), part.fold, 0, loss) for part, loss in zip(subsets, losses, strict=True)]
    return pd.DataFrame(rows, columns=["rows", "fold", "seed", "loss"])


def history_table(fitted: fit.Fitted, has_validation: bool) -> pd.DataFrame:
    """Return the table of history.csv: the losses by epoch; `val_loss` is blank without validation rows."""
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(fitted.losses) + 1),
            "loss": fitted.losses,
            "val_loss": fitted.monitored if has_validation else np.nan,
        }
    )


def fold_history_table(fitted: Sequence[fit.Fitted]) -> pd.DataFrame:
    """Return the table of fold_history.csv.

    For each epoch it holds the number of `fits` that still ran, and the 5, 50 and 95 % quantiles of the losses on the
    rows that decide when to stop. A fit that has ended counts with the loss of its best epoch, whose weights it keeps.
    """
    losses = np.empty((len(fitted), max(len(replica.monitored) for replica in fitted)))
    for row, replica in zip(losses, fitted, strict=True):
        best = replica.monitored[max(replica.best_epoch, 1) - 1]
        row[:] = best
        row[: len(replica.monitored)] = np.where(np.isfinite(replica.monitored), replica.monitored, best)
    epochs = np.arange(1, losses.shape[1] + 1)
    ran = np.array([len(replica.monitored) for replica in fitted])
    quantiles = np.quantile(losses, (0.05, 0.5, 0.95), axis=0)
    names = dict(zip(("low", "median", "high"), quantiles, strict=True))
    return pd.DataFrame({"epoch": epochs, "fits": (ran[:, np.newaxis] >= epochs).sum(axis=0)} | names)


def weight_summary(model: keras.Model, table: TrainingTable, fitted: fit.Fitted) -> dict[str, Any]:
    """Return the content of weights.json: the size of `model`, its training and the weights of its Dense layers."""
    return {
        "features": list(table.names),
        "parameters": int(sum(np.size(variable) for variable in model.trainable_variables)),
        "epochs": len(fitted.losses),
        "best_epoch": fitted.best_epoch,
        "steps": fitted.steps,
        "layers": [
            {
                "name": layer.name,
                "kernel": layer.kernel.numpy().tolist(),
                "bias": [0.0] * layer.units if layer.bias is None else layer.bias.numpy().tolist(),
            }
            for layer in model.layers
            if isinstance(layer, keras.layers.Dense) and layer.name not in SIDES
        ],
    }
