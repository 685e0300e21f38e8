"""Trees for orientation: the losses of scikit-learn's models in the same folds, beside the verdict and not in it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, metrics
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier

from straightline.comparison import trees
from straightline.comparison.judgement import Rules, judge
from straightline.comparison.trees import tree_folds
from straightline.comparison.verdict import Verdict
from straightline.data.folds import Fold
from straightline.data.schema import Division, RowCounts, Schema
from straightline.data.training_table import TrainingTable
from straightline.families.target import Target
from tests.builders import rows_of, training_table
from tests.drawn import drawn_table

DEVIANCES = {"poisson": metrics.mean_poisson_deviance, "gamma": metrics.mean_gamma_deviance}
every_size = pytest.mark.parametrize("forest_rows", [0, 1000], ids=["boosted", "forest"])


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


@pytest.mark.parametrize("family", DEVIANCES)
@every_size
def test_rates_are_what_scikit_learn_predicts_from_weighted_rates(
    family: str, forest_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trees know the exposure only as a divisor of labels, and for counts as a weight."""
    monkeypatch.setattr(trees, "FOREST_ROWS", forest_rows)
    rows = drawn_table(family, weighted=True, exposed=True)
    part = rows.split.folds(120, 3, 1, 0)[1]
    train, test = (rows_of(rows).take(numbers) for numbers in (part.train, part.test))
    exposure = np.exp(train.offset)
    labels, weights = train.labels / exposure, train.weights * (exposure if family == "poisson" else 1)
    if forest_rows:
        known = ensemble.RandomForestRegressor(
            criterion="poisson" if family == "poisson" else "squared_error", random_state=5
        )
    else:
        known = HistGradientBoostingRegressor(loss=family, random_state=5)
    predicted = known.fit(train.features, labels, weights).predict(test.features)
    if forest_rows and family == "poisson":
        predicted = (100 * predicted + np.average(labels, weights=weights)) / 101
    deviance = DEVIANCES[family](test.labels, predicted * np.exp(test.offset), sample_weight=test.weights)
    assert tree_folds(rows, [part], 5)["loss"].tolist() == [pytest.approx(deviance)]


@every_size
def test_probabilities_of_classes_are_scikit_learns(forest_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "FOREST_ROWS", forest_rows)
    rows = drawn_table("multinomial", weighted=True)
    part = rows.split.folds(120, 3, 1, 0)[1]
    train, test = (rows_of(rows).take(numbers) for numbers in (part.train, part.test))
    known = RandomForestClassifier(random_state=5) if forest_rows else ensemble.HistGradientBoostingClassifier()
    shares = known.fit(train.features, train.labels, train.weights).predict_proba(test.features)
    shares = (100 * shares + 1) / 103 if forest_rows else shares
    loss = metrics.log_loss(test.labels, shares, sample_weight=test.weights)
    assert tree_folds(rows, [part], 5)["loss"].tolist() == [pytest.approx(loss)]


def without(rows: TrainingTable, number: int) -> Fold:
    """Return a fold without a class in its training rows, which is scored on this class alone."""
    numbers = np.arange(len(rows.labels), dtype=np.int32)
    return Fold(0, 0, numbers[rows.labels != number], numbers[rows.labels == number])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_forest_gives_a_class_that_it_has_not_seen_the_share_of_one_tree(number: int) -> None:
    rows = drawn_table("multinomial")
    assert tree_folds(rows, [without(rows, number)], 5)["loss"].tolist() == [pytest.approx(np.log(103))]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_boosted_trees_give_a_class_that_they_have_not_seen_no_share(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "FOREST_ROWS", 0)
    rows = drawn_table("multinomial")
    assert tree_folds(rows, [without(rows, number)], 5)["loss"].tolist() == [pytest.approx(np.log(1e7))]


def test_boosted_trees_of_many_rows_may_have_a_class_of_one_row() -> None:
    """With more than 10,000 rows scikit-learn would set rows of each class aside."""
    features, labels = np.random.default_rng(0).normal(size=(10_200, 1)), np.arange(10_200) % 2.0
    labels[0] = 2
    numbers = np.arange(10_200, dtype=np.int32)
    part = Fold(0, 0, numbers[:10_100], numbers[10_100:])
    known = ensemble.HistGradientBoostingClassifier(early_stopping=False).fit(features[part.train], labels[part.train])
    loss = metrics.log_loss(labels[part.test], known.predict_proba(features[part.test]), labels=[0, 1, 2])
    found = tree_folds(training_table(features, labels, "multinomial"), [part], 5)
    assert found["loss"].tolist() == [pytest.approx(loss)]


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
        checks=[],
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
