"""Settings, small tables and verdicts for tests: each builder has defaults, and its keywords change single values."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from straightline.comparison import verdict as contracts
from straightline.comparison.verdict import Challenger, Finding, Probabilities, TestSummary
from straightline.config.settings import Fit, Folds, Verdict
from straightline.data.rows import Rows
from straightline.data.schema import Division
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.models import Neural, Regression

if TYPE_CHECKING:
    from straightline.training import fit as descents

SMALL: dict[str, object] = {
    "data__rows": 600,
    "folds__k": 3,
    "folds__repeats": 1,
    "folds__seeds": 2,
    "fit__epochs": 6,
    "models__neural__hidden": [4],
    "models__regression__l2": 0.0,
}
USER_TABLE: dict[str, object] = {
    "source": "table",
    "features": None,
    "exclude": [],
    "categorical": [],
    "groups": None,
    "split": "chance",
    "time": None,
    "delimiter": None,
    "decimal": None,
    "sheet": None,
    "seed": 0,
    "held_out": 0.2,
    "standardize": True,
}


# Settings


def neural(**changes: Any) -> Neural:
    """Return the settings of a network with five hidden units."""
    defaults = {
        "kind": "neural",
        "hidden": [5],
        "activation": "tanh",
        "learning_rate": 0.01,
        "schedule": "constant",
        "l2": 0.0,
        "dropout": 0.0,
        "from_regression": False,
    }
    return Neural(**defaults | changes)


def regression(**changes: Any) -> Regression:
    """Return the settings of a straight line that ships the exact optimum."""
    defaults = {
        "kind": "regression",
        "learning_rate": 0.01,
        "schedule": "cosine",
        "finish": "exact",
        "robust": False,
        "terms": "linear",
        "intercept": True,
        "l2": 0.0,
    }
    return Regression(**defaults | changes)


def fit(**changes: Any) -> Fit:
    """Return the settings of a descent of few epochs by Adam."""
    defaults = {
        "optimizer": "adam",
        "momentum": 0.0,
        "dtype": "float64",
        "batch_size": 16,
        "epochs": 8,
        "patience": None,
        "validation": 0.2,
        "held_rows": None,
        "seed": 0,
    }
    return Fit(**defaults | changes)


def folds(**changes: Any) -> Folds:
    """Return the settings of three folds, once, with one seed."""
    return Folds(**{"k": 3, "repeats": 1, "seeds": 1, "seed": 0} | changes)


def rules(**changes: Any) -> Verdict:
    """Return the settings of a verdict."""
    return Verdict(**{"margin": 0.05, "confidence": 0.95, "ladder": None} | changes)


def descent(**changes: Any) -> descents.Settings:
    """Return what `fit.fit` needs to know of a descent: four epochs of five steps of 16 rows."""
    from straightline.training.fit import Settings

    defaults: dict[str, Any] = {
        "family": FAMILIES["gaussian"],
        "optimizer": "adam",
        "momentum": 0.0,
        "learning_rate": 0.01,
        "schedule": "constant",
        "l2": 0.0,
        "batch_size": 16,
        "steps": 5,
        "epochs": 4,
        "patience": 2,
        "standardize": False,
    }
    return Settings(**defaults | changes)


def small(params: Mapping[str, Any], **changes: object) -> dict[str, Any]:
    """Return `params` with few rows, folds and epochs; `changes` are dotted keys with `__` for the dot."""
    values = copy.deepcopy(dict(params))
    for key, value in (SMALL | changes).items():
        *parents, last = key.split("__")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    return values


def user_table(path: str, target: str, **changes: object) -> dict[str, object]:
    """Return the part `data` of params.yaml for a file of the user's."""
    return USER_TABLE | {"path": path, "target": target} | changes


def quick(hidden: int = 2, epochs: int = 2, k: int = 2) -> tuple[str, ...]:
    """Return overrides of conf/ for one small network, without trees; the last one is its hidden layer."""
    once = ("folds.repeats=1", "folds.seeds=1")
    return (
        "effort=single",
        "reference=none",
        *once,
        f"folds.k={k}",
        f"fit.epochs={epochs}",
        f"models.neural.hidden=[{hidden}]",
    )


# Tables


def labels_of(score: NDArray, family: str) -> NDArray:
    """Return labels of a family that follow `score` `(rows,)`.

    They are the score, whether it is above its median, in which third it is, or its exponential, rounded for counts.
    """
    match family:
        case "gaussian":
            return score
        case "bernoulli":
            return (score > np.median(score)).astype(np.float64)
        case "multinomial":
            return np.digitize(score, np.quantile(score, [1 / 3, 2 / 3])).astype(np.float64)
    amounts = np.exp((score - score.mean()) / score.std())
    return np.round(amounts) if family == "poisson" else amounts


def training_table(
    features: NDArray, labels: NDArray, family: str = "gaussian", names: Sequence[str] = (), **changes: Any
) -> TrainingTable:
    """Return training rows in memory, whose columns are called a, b, c, ... without `names`.

    `changes` may hold their weights and their offset.
    """
    names = names or [chr(ord("a") + number) for number in range(features.shape[1])]
    values: dict[str, Any] = {"standardize": True} | changes
    rows = Rows(features, labels, values.get("weights"), values.get("offset"))
    return TrainingTable(held(rows), labels, list(names), FAMILIES[family], **values)


def rows_of(table: TrainingTable) -> Rows:
    """Return all rows of a table."""
    return table.source.read(table.source.groups)


# Verdicts


def challenger(**changes: Any) -> Challenger:
    """Return what ten folds say of a challenger that saves half of the loss."""
    defaults: dict[str, Any] = {
        "finding": Finding.challenger_better,
        "loss": 1.0,
        "relative_gain": 0.5,
        "relative_gain_interval": (0.4, 0.6),
        "probabilities": Probabilities(0.99, 0.0),
        "test": TestSummary(mean=0.9, std_error=0.1, degrees_of_freedom=9, folds=10, repeatable=True),
        "failed": False,
    }
    return Challenger(**defaults | changes)


def verdict(**changes: Any) -> contracts.Verdict:
    """Return the verdict on `y`, by whose ten folds a network is better than the straight line."""
    best = challenger()
    defaults: dict[str, Any] = {
        "schema": contracts.SCHEMA,
        "target": "y",
        "family": "gaussian",
        "loss": "mean_squared_error",
        "answer": "no",
        "finding": best.finding,
        "baseline": "regression",
        "challenger": "neural",
        "margin": 0.05,
        "confidence": 0.95,
        "losses": {"regression": 2.0, "neural": 1.0},
        "loss_intervals": {"regression": (1.8, 2.2), "neural": (0.9, 1.1)},
        "mean_loss": 3.0,
        "relative_gain": best.relative_gain,
        "relative_gain_interval": best.relative_gain_interval,
        "probabilities": best.probabilities,
        "rows": 100,
        "split": Division("chance", None),
        "folds": 10,
        "repeats": 1,
        "seeds": 1,
        "fits": {"regression": 10, "neural": 10},
        "ledger": {name: contracts.Ledger(1, 10, 100, 1000) for name in ("regression", "neural")},
        "spread": {name: contracts.Spread(0.1, None, None) for name in ("regression", "neural")},
        "methods": {"regression": {"exact": 10}, "neural": {"network": 10}},
        "challengers": {"neural": best},
        "advice": "Use neural.",
        "ladder": None,
        "fold_losses": {"regression": [2.0] * 10, "neural": [1.0] * 10},
    }
    return contracts.Verdict(**defaults | changes)
