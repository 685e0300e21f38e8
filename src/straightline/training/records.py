"""The results of training: a fitted variant, and the tables about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models.outputs import CLASSES
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
    losses = _continued(fitted)[1]
    epochs = np.arange(1, losses.shape[1] + 1)
    ran = np.array([len(replica.monitored) for replica in fitted])
    quantiles = np.quantile(losses, (0.05, 0.5, 0.95), axis=0)
    names = dict(zip(("low", "median", "high"), quantiles, strict=True))
    return pd.DataFrame({"epoch": epochs, "fits": (ran[:, np.newaxis] >= epochs).sum(axis=0)} | names)


def member_history_table(members: Sequence[fit.Fitted]) -> pd.DataFrame:
    """Return the table of history.csv for an averaged network: the mean losses of its members by epoch.

    A member that has ended counts with the losses of its best epoch, whose weights it keeps.
    """
    losses = _continued(members).mean(axis=1)
    return pd.DataFrame({"epoch": np.arange(1, losses.shape[1] + 1), "loss": losses[0], "val_loss": losses[1]})


def _continued(fitted: Sequence[fit.Fitted]) -> NDArray:
    """Return `losses` and `monitored` of all fits, `(2, fits, epochs)`.

    After its end a fit has the losses of its best epoch.
    """
    all_losses = np.empty((2, len(fitted), max(len(each.losses) for each in fitted)))
    for number, each in enumerate(fitted):
        losses = np.stack([each.losses, each.monitored])
        best = losses[:, [max(each.best_epoch, 1) - 1]]
        all_losses[:, number] = best
        all_losses[:, number, : losses.shape[1]] = np.where(np.isfinite(losses), losses, best)
    return all_losses


def weight_summary(model: keras.Model, table: TrainingTable, fitted: Sequence[fit.Fitted]) -> dict[str, Any]:
    """Return the content of weights.json: the size of `model`, its training and the weights of its Dense layers.

    `fitted` are the fits behind it. `epochs` are the most epochs and `best_epoch` the median best epoch of a fit, and
    `steps` are the steps of all.
    """
    return {
        "features": list(table.names),
        "parameters": int(sum(np.size(variable) for variable in model.trainable_variables)),
        "epochs": max(len(each.losses) for each in fitted),
        "best_epoch": int(np.median([each.best_epoch for each in fitted])),
        "steps": sum(each.steps for each in fitted),
        "layers": [
            {
                "name": name,
                "kernel": layer.kernel.numpy().tolist(),
                "bias": [0.0] * layer.units if layer.bias is None else layer.bias.numpy().tolist(),
            }
            for name, layer in _dense_layers(model)
            if layer.name not in SIDES and not layer.name.startswith(CLASSES)
        ],
    }


def _dense_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.layers.Dense]]:
    """Yield the Dense layers of `model` and of the models in it, with names such as `member_1/hidden_1`."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _dense_layers(layer, f"{prefix}{layer.name}/")
        elif isinstance(layer, keras.layers.Dense):
            yield f"{prefix}{layer.name}", layer
