"""Compare estimators of scikit-learn on the same folds, with the same test and the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from straightline.config.settings import Target as TargetSettings
from straightline.data.columns import encode_target, group_numbers, require_column, time_order
from straightline.data.folds import Fold, Split
from straightline.data.row_values import weighted
from straightline.data.rows import RowNumbers
from straightline.data.schema import WeightKind
from straightline.errors import UserError
from straightline.families import Family, family_of
from straightline.families.classes import in_order
from straightline.families.target import Target
from straightline.interface.verdict import Verdict, verdict_of

ORIGIN = "compare"


@dataclass(frozen=True)
class Columns:
    """The names of the target, of the features, and of the columns that say more about the rows."""

    target: str
    features: Sequence[str]
    groups: str | None = None
    time: str | None = None
    weights: str | None = None


@dataclass(frozen=True)
class Rules:
    """How often rows are divided into how many folds, by which seed, and what the verdict asks for."""

    folds: int
    repeats: int
    margin: float
    confidence: float
    seed: int


@dataclass(frozen=True)
class _Data:
    """The rows as estimators take them (`features`, `truth`, `weights`), and as their family scores them (`labels`)."""

    features: pd.DataFrame
    truth: pd.Series
    labels: NDArray
    weights: NDArray | None
    target: Target

    @property
    def family(self) -> Family:
        return family_of(self.target)

    def loss(self, rows: RowNumbers, predictions: NDArray) -> float:
        weights = None if self.weights is None else self.weights[rows]
        return self.family.mean_loss(self.labels[rows], predictions, weights)

    def baseline_loss(self, part: Fold) -> float:
        weights = None if self.weights is None else self.weights[part.train]
        constant = self.family.baseline(self.labels[part.train], weights)
        return self.loss(part.test, np.broadcast_to(constant, (len(part.test), *np.shape(constant))))


def compared(
    frame: pd.DataFrame,
    columns: Columns,
    weights_are: WeightKind | None,
    family: str,
    models: Mapping[str, Any],
    baseline: str | None,
    rules: Rules,
    n_jobs: int | None,
) -> Verdict:
    """Return the verdict on `models` for a column of `frame`. `straightline.compare` says what they are.

    A classifier of scikit-learn is scored by its probabilities, and so needs `predict_proba`. With weights an estimator
    needs `sample_weight` in `fit`. Raises UserError if there are too few models or rows, or a model does not suit.
    """
    if baseline is None or baseline not in models or len(models) < 2:
        known = ", ".join(models)
        raise UserError(f"compare: expected two or more models, and a baseline among them ({known}), got {baseline!r}")
    for name in columns.features:
        require_column(frame, name, ORIGIN)
    if columns.weights is not None:
        frame, found = weighted(frame, columns.weights, weights_are, columns.features, ORIGIN)
        columns = replace(columns, weights=found.column)  # A cross-table has become its cases, which have no weights.
    if columns.time is not None:
        require_column(frame, columns.time, ORIGIN)
        frame = frame.iloc[time_order(frame, columns.time, ORIGIN)]
    frame = frame.reset_index(drop=True)
    data = _data(frame, columns, family)
    groups = None if columns.groups is None else group_numbers(frame, columns.groups, ORIGIN)
    strata = data.family.strata(data.labels, data.target.classes)
    names = None if data.target.classes is None else in_order(data.target.classes)
    repeats = 1 if columns.time is not None else rules.repeats
    parts = Split(strata, groups, columns.time is not None, names).folds(len(frame), rules.folds, repeats, rules.seed)
    losses = _losses(data, models, parts, n_jobs)
    without_columns = np.array([data.baseline_loss(part) for part in parts])
    ratio = None if columns.time is None else float(np.mean([len(part.test) / len(part.train) for part in parts]))
    verdict, _ = verdict_of(
        losses, without_columns, baseline, rules.folds, rules.margin, rules.confidence, len(frame), ratio
    )
    return verdict


def _data(frame: pd.DataFrame, columns: Columns, family: str) -> _Data:
    labels, target = encode_target(frame, TargetSettings(column=columns.target, family=family), ORIGIN)
    truth = frame[columns.target] if target.classes is not None else labels.astype(np.float64)
    weights = None if columns.weights is None else frame[columns.weights].to_numpy(np.float64)
    return _Data(frame[list(columns.features)], truth, labels.to_numpy(np.float64), weights, target)


def _losses(data: _Data, models: Mapping[str, Any], parts: list[Fold], n_jobs: int | None) -> dict[str, NDArray]:
    """Return the losses of each model in each fold."""
    from joblib import Parallel, delayed

    jobs = [(name, part) for name in models for part in parts]
    predicted = Parallel(n_jobs)(delayed(_predicted)(name, models[name], data, part) for name, part in jobs)
    losses = [data.loss(part.test, values) for (_, part), values in zip(jobs, predicted, strict=True)]
    return dict(zip(models, np.reshape(losses, (len(models), len(parts))), strict=True))


def _predicted(name: str, model: Any, data: _Data, part: Fold) -> NDArray:
    """Return the predictions of a model on the held-out rows of a fold, as the family of the target scores them."""
    options = {} if data.weights is None else {_weights_option(name, model): data.weights[part.train]}
    fitted = clone(model).fit(data.features.iloc[part.train], data.truth.iloc[part.train], **options)
    rows, classes = data.features.iloc[part.test], data.target.classes
    if classes is None:
        return np.asarray(fitted.predict(rows), np.float64)
    if not is_classifier(fitted) or not hasattr(fitted, "predict_proba"):
        raise UserError(
            f"compare: {name}: expected a classifier with predict_proba, since the target has classes, got "
            f"{type(model).__name__}"
        )
    probabilities = np.zeros((len(rows), len(classes)))
    places = [classes.index(each) for each in fitted.classes_.tolist()]
    probabilities[:, places] = fitted.predict_proba(rows)
    return probabilities[:, 1] if len(classes) == 2 else probabilities


def _weights_option(name: str, model: Any) -> str:
    """Return the argument of `fit` that takes the weights of the rows: in a pipeline, that of the last step."""
    step, last = ("", model) if not isinstance(model, Pipeline) else (f"{model.steps[-1][0]}__", model.steps[-1][1])
    if not has_fit_parameter(last, "sample_weight"):
        raise UserError(
            f"compare: {name}: {type(last).__name__} takes no sample_weight; leave out this model or the weights"
        )
    return f"{step}sample_weight"
