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

from straightline.data.folds import Fold
from straightline.data.source import COLLECT, one_pass
from straightline.data.training_table import TrainingTable
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS
from straightline.training.scoring import Predictor, fold_losses

FOREST_ROWS = 1_250  # Tables with fewer rows get a random forest.
TREE_ROWS = 50_000  # Trees train on so many rows of a fold at most.


def tree_folds(table: TrainingTable, parts: Sequence[Fold], seed: int) -> pd.DataFrame:
    """Return a table like folds.csv of the trees in each of the folds `parts`.

    `model` is `random forest` or `boosted trees`.
    """
    is_small = len(table.labels) < FOREST_ROWS
    predictors = []
    with step("trees") as reached:
        for part in parts:
            predictors.append(_predictor(table, part, is_small, seed))
            reached(f"{len(predictors)} of {len(parts)} folds")
    return pd.DataFrame(
        [
            {"repeat": part.repeat, "fold": part.fold, "rows": len(part.test), "train_rows": len(part.train)}
            | {"model": "random forest" if is_small else "boosted trees", "loss": loss["loss"]}
            for part, loss in zip(parts, fold_losses(table, parts, predictors), strict=True)
        ]
    )


def _predictor(table: TrainingTable, part: Fold, is_small: bool, seed: int) -> Predictor:
    from sklearn import ensemble  # The command `run` imports this module, but another process trains the trees.

    train = part.train
    if len(train) > TREE_ROWS:
        train = table.split.sample(train, TREE_ROWS / len(train), seed)
    (rows,) = one_pass(table.source, [train], [COLLECT])
    model = getattr(ensemble, table.family.forest if is_small else table.family.boosted_trees)(random_state=seed)
    if is_small:
        model.set_params(n_jobs=THREADS)
    model.fit(rows.features, rows.labels)
    if is_small:
        model.set_params(n_jobs=1)  # Two threads would add up the predictions of the trees in an order of chance.
    return lambda features: _predictions(model, features)


def _predictions(model: Any, features: NDArray) -> NDArray:
    """Return means, or the probabilities of the second class.

    In a forest a probability is a share of its trees, which may be 0 by chance. Laplace's rule moves it away from 0 and
    1, as if two more trees had voted for one class each.
    """
    if not is_classifier(model):
        return np.asarray(model.predict(features))
    probabilities = model.predict_proba(features)[:, -1]
    if hasattr(model, "estimators_"):
        probabilities = (probabilities * len(model.estimators_) + 1) / (len(model.estimators_) + 2)
    return np.asarray(probabilities)
