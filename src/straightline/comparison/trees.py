"""The losses of trees in the folds of the comparison, for orientation: they have no part in the verdict.

A user who is about to choose a network should know what trees reach. Many rows suit gradient-boosted trees
(scikit-learn's histogram-based ones), few rows a random forest.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from threadpoolctl import threadpool_limits

from straightline.data.folds import Fold
from straightline.data.passes import COLLECT, one_pass
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.families import Family
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS
from straightline.training.scoring import Predictor, fold_losses

FOREST_ROWS = 1_250  # Tables with fewer rows get a random forest.
BOOSTED = "boosted trees"
TREE_ROWS = 50_000  # Trees train on so many rows of a fold at most.


def tree_folds(table: TrainingTable, parts: Sequence[Fold], seed: int) -> pd.DataFrame:
    """Return a table like folds.csv of the trees in each of the folds `parts`.

    `model` is `random forest` or `boosted trees`.
    """
    is_small = len(table.labels) < FOREST_ROWS
    predictors = []
    # Threads of OpenMP wait for each other without sleeping, so that beside other work two are far slower than one.
    with threadpool_limits(1, user_api="openmp"):
        with step("trees") as reached:
            for part in parts:
                rows = _training_rows(table, part, seed)
                predictors.append(_forest(table.family, rows, seed) if is_small else boosted(table.family, rows, seed))
                reached(f"{len(predictors)} of {len(parts)} folds")
        losses = fold_losses(table, parts, predictors)
    return pd.DataFrame(
        [
            {"repeat": part.repeat, "fold": part.fold, "rows": len(part.test), "train_rows": len(part.train)}
            | {"model": "random forest" if is_small else BOOSTED, "loss": loss["loss"]}
            for part, loss in zip(parts, losses, strict=True)
        ]
    )


def _training_rows(table: TrainingTable, part: Fold, seed: int) -> Rows:
    """Return the training rows of a fold, or a sample of them."""
    train = part.train
    if len(train) > TREE_ROWS:
        train = table.split.sample(train, TREE_ROWS / len(train), seed)
    (rows,) = one_pass(table.source, [train], [COLLECT])
    return without_offset(table.family, rows)


def without_offset(family: Family, rows: Rows) -> Rows:
    """Return rows for trees, which know no offset."""
    return Rows(rows.features, *family.without_offset(rows.labels, rows.weights, rows.offset))


def _forest(family: Family, rows: Rows, seed: int) -> Predictor:
    """Return the predictor of a random forest.

    In a forest a probability is a share of its trees, which may be 0 by chance. Laplace's rule moves it away from 0 and
    1, as if one more tree had voted for each class. A mean count may be 0 as well, if no tree has a positive count near
    by, and then a positive count costs without bound. So it is averaged as if one more tree had predicted the mean.
    """
    from sklearn import ensemble  # The command `run` imports this module, but another process trains the trees.

    forest = getattr(ensemble, family.forest)(random_state=seed, n_jobs=THREADS, **family.forest_options)
    forest.fit(rows.features, rows.labels, rows.weights)
    forest.set_params(n_jobs=1)  # Two threads would add up the predictions of the trees in an order of chance.
    trees, classes = len(forest.estimators_), family.outputs + 1
    if is_classifier(forest):
        return lambda features: _of_classes((_shares(forest, features, classes) * trees + 1) / (trees + classes))
    if family.is_count:
        mean = family.baseline(rows.labels, rows.weights)
        return lambda features: np.asarray((forest.predict(features) * trees + mean) / (trees + 1))
    return lambda features: np.asarray(forest.predict(features))


def boosted(family: Family, rows: Rows, seed: int) -> Predictor:
    """Return the predictor of gradient-boosted trees, for the offset 0."""
    from sklearn import ensemble

    trees = getattr(ensemble, family.boosted_trees)(random_state=seed, **family.boosted_options)
    if not is_classifier(trees):
        trees.fit(rows.features, rows.labels, rows.weights)
        return lambda features: np.asarray(trees.predict(features))
    if np.unique(rows.labels, return_counts=True)[1].min() < 2:
        trees.set_params(early_stopping=False)  # Rows that are set aside could not keep the share of such a class.
    trees.fit(rows.features, rows.labels, rows.weights)
    return lambda features: _of_classes(_shares(trees, features, family.outputs + 1))


def _shares(model: Any, features: NDArray, classes: int) -> NDArray:
    """Return probabilities `(rows, classes)` in the order of the labels, of which the model may not know all."""
    shares = np.zeros((len(features), classes))
    shares[:, model.classes_.astype(int)] = model.predict_proba(features)
    return shares


def _of_classes(shares: NDArray) -> NDArray:
    """Return the predictions of a family from probabilities `(rows, classes)`: of two classes, those of the second."""
    return shares[:, 1] if shares.shape[1] == 2 else shares
