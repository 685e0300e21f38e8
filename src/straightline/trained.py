"""What training starts from and ends with: rows, a fitted variant, and the tables about it."""

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline import exact, fit
from straightline.coefficients import agreeing_digits
from straightline.folds import Fold, Split
from straightline.models import terms
from straightline.models.regression import SIDES
from straightline.scores import row_losses
from straightline.source import Pass, Source, one_pass

LOSSES = {"continuous": "mean_squared_error", "binary": "binary_crossentropy"}
Predictor = Callable[[NDArray], NDArray]  # of features (rows, columns) to predictions (rows,)
TOLD = 5  # messages of folds at most, since each may name other columns
CONVERGED = 1e-3  # a descent has converged when its loss exceeds the optimum by less than this share of it


@dataclass(frozen=True)
class Table:
    """Training rows: `source` with the columns `names`, its `labels` `(rows,)` (0 and 1 where `task` is binary).

    `groups` `(rows,)` numbers what must stay together; `ordered` rows are in the order of time.
    """

    source: Source
    labels: NDArray
    names: Sequence[str]
    task: str
    standardize: bool
    groups: NDArray | None = None
    ordered: bool = False

    def quadratic(self) -> "Table":
        """The same rows with the terms of `terms.py` for columns."""
        read = self.source.read

        def expanded(groups: NDArray) -> tuple[NDArray, NDArray]:
            features, labels = read(groups)
            return terms.values(features), labels

        names = terms.names(self.names)
        return replace(self, source=replace(self.source, columns=len(names), read=expanded), names=names)

    @property
    def split(self) -> Split:
        """How its rows may be divided."""
        classes = self.labels.astype(np.int8) if self.task == "binary" else None
        return Split(classes, self.groups, self.ordered)


@dataclass(frozen=True)
class Trained:
    """A variant: the model to ship (raw float64 columns to predictions) and the tables about it.

    `messages` tell what a user should know of the training; `fold_history` is a network's, `coefficients` and
    `certificate` are a regression's, else None.
    """

    model: keras.Model
    history: pd.DataFrame
    folds: pd.DataFrame
    learning: pd.DataFrame
    weights: dict[str, Any]
    messages: list[str]
    fold_history: pd.DataFrame | None = None
    coefficients: pd.DataFrame | None = None
    certificate: dict[str, Any] | None = None


def fold_place(part: Fold, seed: int) -> dict[str, int]:
    """Return what a row of folds.csv says of where it stands."""
    return {
        "repeat": part.repeat,
        "fold": part.fold,
        "seed": seed,
        "rows": len(part.test),
        "train_rows": len(part.train),
    }


def fold_losses(table: Table, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> list[dict[str, float]]:
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


def learning_table(subsets: list[Fold], losses: list[float]) -> pd.DataFrame:
    """Return learning.csv: the loss by number of training rows."""
    rows = [(len(part.train), part.fold, 0, loss) for part, loss in zip(subsets, losses, strict=True)]
    return pd.DataFrame(rows, columns=["rows", "fold", "seed", "loss"])


def history_table(fitted: fit.Fitted, has_validation: bool) -> pd.DataFrame:
    """Return history.csv; `val_loss` is blank without validation rows."""
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(fitted.losses) + 1),
            "loss": fitted.losses,
            "val_loss": fitted.monitored if has_validation else np.nan,
        }
    )


def fold_history_table(fitted: Sequence[fit.Fitted]) -> pd.DataFrame:
    """Return fold_history.csv: by epoch how many `fits` still ran, and the 5, 50 and 95 % quantiles of their losses.

    The losses are those of the rows that decide when to stop; a fit that has ended counts with its best one, which is
    that of the weights it keeps.
    """
    losses = np.empty((len(fitted), max(len(one.monitored) for one in fitted)))
    for own, one in zip(losses, fitted, strict=True):
        kept = one.monitored[max(one.best_epoch, 1) - 1]
        own[:] = kept
        own[: len(one.monitored)] = np.where(np.isfinite(one.monitored), one.monitored, kept)
    epochs = np.arange(1, losses.shape[1] + 1)
    ran = np.array([len(one.monitored) for one in fitted])
    quantiles = np.quantile(losses, (0.05, 0.5, 0.95), axis=0)
    names = dict(zip(("low", "median", "high"), quantiles, strict=True))
    return pd.DataFrame({"epoch": epochs, "fits": (ran[:, np.newaxis] >= epochs).sum(axis=0)} | names)


def weight_summary(model: keras.Model, table: Table, fitted: fit.Fitted) -> dict[str, Any]:
    """Return weights.json: the size of `model`, its training and its Dense layers."""
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


def fold_messages(fitted: Sequence[exact.Optimum], known: Sequence[str]) -> list[str]:
    """Return what is told of some of the folds `fitted` and is none of `known`, the commonest first."""
    told = Counter(message for one in fitted for message in one.messages if message not in known)
    lines = [f"in {count} of {len(fitted)} folds {message}" for message, count in told.most_common(TOLD)]
    return [*lines, f"{len(told) - TOLD} more such messages of single folds"] if len(told) > TOLD else lines


def certificate(table: Table, best: exact.Optimum, folds: Sequence[str], trained: NDArray) -> dict[str, Any]:
    """Return certificate.json: how far the descent's coefficients `trained` are from the optimum `best`.

    `folds` are the `fold_messages`.
    """

    def total(features: NDArray, labels: NDArray) -> float:
        return len(labels) * exact.mean_loss(trained[0] + features @ trained[1:], labels, table.task)

    rows = len(table.labels)
    (loss,) = one_pass(table.source, [np.arange(rows, dtype=np.int32)], [Pass(total, operator.add)])
    reached = loss / rows
    gap = reached - best.loss
    condition, known = best.condition_number, best.identified
    return {
        "loss": LOSSES[table.task],
        "method": best.method,
        "rows": rows,
        "descent_loss": reached,
        "exact_loss": best.loss,
        "gap": gap,
        "tolerance": CONVERGED,
        "converged": bool(gap <= CONVERGED * best.loss),
        "digits": agreeing_digits(trained[known], best.coefficients[known]) if known.any() else None,
        "condition_number": condition if np.isfinite(condition) else None,
        "standard_errors": best.errors,
        "messages": best.messages,
        "fold_messages": list(folds),
    }
