"""Trees for orientation: the losses of scikit-learn's models in the same folds, beside the verdict and not in it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from straightline.comparison import trees
from straightline.comparison.judgement import Rules, judge
from straightline.comparison.trees import tree_folds
from straightline.comparison.verdict import Verdict
from straightline.data.schema import Division, RowCounts, Schema
from straightline.families.target import Target
from tests.builders import rows_of, training_table


def table(family: str = "gaussian", rows: int = 90):
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 3))
    labels = np.abs(features[:, 0]) + 0.3 * random.normal(size=rows)
    return training_table(features, labels if family == "gaussian" else (labels > 0.8).astype(float), family)


def test_many_rows_are_boosted_as_scikit_learn_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FOREST_ROWS", 90)
    rows = table()
    parts = rows.split.folds(90, 3, 1, 0)
    found = tree_folds(rows, parts, 5)
    values = rows_of(rows)
    for part, loss in zip(parts, found["loss"], strict=True):
        known = HistGradientBoostingRegressor(random_state=5).fit(
            values.features[part.train], values.labels[part.train]
        )
        errors = known.predict(values.features[part.test]) - values.labels[part.test]
        assert loss == pytest.approx(np.mean(errors**2))
    assert set(found["model"]) == {"boosted trees"}


def test_few_rows_get_a_forest_whose_shares_are_never_0_or_1() -> None:
    rows = table("bernoulli")
    (part, *_) = rows.split.folds(90, 3, 1, 0)
    found = tree_folds(rows, [part], 5)
    values = rows_of(rows)
    known = RandomForestClassifier(random_state=5).fit(values.features[part.train], values.labels[part.train])
    share = (known.predict_proba(values.features[part.test])[:, 1] * 100 + 1) / 102
    labels = values.labels[part.test]
    assert found["loss"].tolist() == [pytest.approx(-np.mean(np.log(np.where(labels == 1, share, 1 - share))))]
    assert set(found["model"]) == {"random forest"}


def test_trees_of_a_large_table_train_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "TREE_ROWS", 40)
    rows = table()
    (part, *_) = rows.split.folds(90, 3, 1, 0)
    sample = rows.split.sample(part.train, 40 / 60, 5)
    alone = tree_folds(rows, [replace(part, train=sample)], 5)
    assert tree_folds(rows, [part], 5)["loss"].tolist() == alone["loss"].tolist()


def judged(trees_loss: float | None, mean_loss: float = 9.0) -> Verdict:
    """Return the verdict on a network that saves 2 % of the line's loss, beside trees of a loss or none."""
    wiggle = np.tile([0.99, 1.01], 5)

    def folds(loss: float, **columns: object) -> pd.DataFrame:
        values = {"repeat": 0, "fold": range(10), "seed": 0, "loss": loss * wiggle, "mean_loss": mean_loss}
        return pd.DataFrame(values | {"epochs": 1, "steps": 1, "method": "exact"} | columns)

    schema = Schema(
        encoding=[],
        standardize=True,
        split=Division("chance", None),
        targets={"y": Target("y", "gaussian", None)},
        rows=RowCounts(100, 0),
        warnings=[],
    )
    models = {"regression": folds(1.0), "neural": folds(0.98)}
    shown = None if trees_loss is None else folds(trees_loss, model="boosted trees")
    return judge(schema, "y", "regression", models, dict.fromkeys(models, 1), Rules(10, 0.05, 0.95), shown)


@pytest.mark.parametrize(("loss", "better"), [(0.5, True), (0.96, False), (2.0, False)])
def test_trees_are_in_the_advice_only_if_they_beat_all_models_by_the_margin(loss: float, better: bool) -> None:
    found, without = judged(loss), judged(None)
    assert found.reference is not None
    assert found.reference.loss == pytest.approx(loss)
    assert found.reference.better_than_all is better
    clause = " For orientation: boosted trees would save 49.0 % of the loss of the best model here."
    assert found.advice == without.advice + (clause if better else "")
    assert replace(found, reference=None, advice="") == replace(without, advice="")
    assert Verdict.from_json(found.to_json()) == found


@pytest.mark.parametrize(("loss", "better"), [(0.5, True), (0.85, False), (0.9, False)])
def test_trees_say_something_about_the_columns_only_if_they_beat_the_mean(loss: float, better: bool) -> None:
    found = judged(loss, mean_loss=0.85)
    assert found.answer == "neither"
    assert ("so the columns do say something about it" in found.advice) is better
