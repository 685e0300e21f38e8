"""Compare estimators of scikit-learn on the same folds, with the same test and the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier

from straightline.config.settings import Target as TargetSettings
from straightline.data.columns import encode_target, group_numbers, require_column, time_order
from straightline.data.folds import Fold, Split
from straightline.errors import UserError
from straightline.families import Family, family_of
from straightline.families.target import Target
from straightline.interface.verdict import Verdict, verdict_of

ORIGIN = "compare"


def compared(
    frame: pd.DataFrame,
    name: str,
    models: Mapping[str, Any],
    baseline: str | None,
    folds: int,
    repeats: int,
    family_name: str,
    groups: str | None,
    time: str | None,
    margin: float | None,
    confidence: float | None,
    random_state: int | None,
    n_jobs: int | None,
) -> Verdict:
    """Return the verdict on `models` for the column `name` of `frame`. `straightline.compare` says what they are.

    A classifier of scikit-learn is scored by its probabilities, and so needs `predict_proba`. Raises UserError if there
    are too few models or rows, or a model does not suit the target.
    """
    if baseline is None or baseline not in models or len(models) < 2:
        known = ", ".join(models)
        raise UserError(f"compare: expected two or more models, and a baseline among them ({known}), got {baseline!r}")
    if time is not None:
        require_column(frame, time, ORIGIN)
        frame = frame.iloc[time_order(frame, time, ORIGIN)].reset_index(drop=True)
    labels, target = encode_target(frame, TargetSettings(column=name, family=family_name), ORIGIN)
    family, values = family_of(target), labels.to_numpy(np.float64)
    division = Split(
        family.strata(values),
        None if groups is None else group_numbers(frame, groups, ORIGIN),
        time is not None,
        target.classes,
    )
    parts = division.folds(len(frame), folds, 1 if time is not None else repeats, random_state or 0)
    features = frame.drop(columns=[each for each in (name, groups, time) if each is not None])
    losses = _losses(features, frame[name], values, family, target, models, parts, n_jobs)
    constants = [family.baseline(values[part.train]) for part in parts]
    without_columns = np.array(
        [
            family.mean_loss(values[part.test], np.broadcast_to(constant, (len(part.test), *np.shape(constant))))
            for part, constant in zip(parts, constants, strict=True)
        ]
    )
    ratio = None if time is None else float(np.mean([len(part.test) / len(part.train) for part in parts]))
    found, _ = verdict_of(
        losses,
        without_columns,
        baseline,
        folds,
        0.05 if margin is None else margin,
        0.95 if confidence is None else confidence,
        len(frame),
        ratio,
    )
    return found


def _losses(
    features: pd.DataFrame,
    written: pd.Series,
    labels: NDArray,
    family: Family,
    target: Target,
    models: Mapping[str, Any],
    parts: list[Fold],
    n_jobs: int | None,
) -> dict[str, NDArray]:
    """Return the losses of each model in each fold."""
    from joblib import Parallel, delayed

    truth = written if target.classes is not None else pd.Series(labels)
    jobs = [(name, part) for name in models for part in parts]
    predicted = Parallel(n_jobs)(
        delayed(_predicted)(name, models[name], features, truth, part, target) for name, part in jobs
    )
    losses = [family.mean_loss(labels[part.test], values) for (_, part), values in zip(jobs, predicted, strict=True)]
    by_model = np.reshape(losses, (len(models), len(parts)))
    return dict(zip(models, by_model, strict=True))


def _predicted(name: str, model: Any, features: pd.DataFrame, truth: pd.Series, part: Fold, target: Target) -> NDArray:
    """Return the predictions of a model on the held-out rows of a fold, as the family of the target scores them."""
    fitted = clone(model).fit(features.iloc[part.train], truth.iloc[part.train])
    rows = features.iloc[part.test]
    if target.classes is None:
        return np.asarray(fitted.predict(rows), np.float64)
    if not is_classifier(fitted) or not hasattr(fitted, "predict_proba"):
        raise UserError(
            f"compare: {name}: expected a classifier with predict_proba, since the target has classes, got "
            f"{type(model).__name__}"
        )
    probabilities = np.zeros((len(rows), len(target.classes)))
    places = [target.classes.index(each) for each in fitted.classes_.tolist()]
    probabilities[:, places] = fitted.predict_proba(rows)
    return probabilities[:, 1] if len(target.classes) == 2 else probabilities
