"""`straightline.compare` of scikit-learn's estimators: the folds, losses and words of the pipeline."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.svm import LinearSVC

import straightline as sl
from straightline.data.folds import Split
from tests.family_tables import housing

RANDOM = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=["a", "b", "c"])
NUMBERS["y"] = NUMBERS @ [1.0, -1.0, 0.5] + RANDOM.normal(size=60)
NUMBERS["shop"] = np.repeat(range(20), 3)
MODELS = {"line": LinearRegression(), "ridge": Ridge(alpha=5.0)}


def test_the_losses_are_those_of_a_loop_over_the_folds() -> None:
    frame = NUMBERS.drop(columns="shop")
    found = sl.compare(frame, target="y", models=MODELS, baseline="line", folds=5, repeats=2, random_state=3)
    features, truth = frame[["a", "b", "c"]], frame["y"]
    for name, model in MODELS.items():
        losses = []
        for part in Split().folds(60, 5, 2, 3):
            fitted = clone(model).fit(features.iloc[part.train], truth.iloc[part.train])
            losses.append(np.mean((truth.iloc[part.test] - fitted.predict(features.iloc[part.test])) ** 2))
        np.testing.assert_allclose(found.losses[name], losses, rtol=1e-12)


def test_two_at_once_are_the_same() -> None:
    options = {"target": "y", "models": MODELS, "baseline": "line", "groups": "shop"}
    one, two = (sl.compare(NUMBERS, **options, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(one.losses["ridge"], two.losses["ridge"])


def test_groups_stay_together_and_are_no_feature() -> None:
    seen: list[set[str]] = []

    class Spy(LinearRegression):
        def fit(self, X: pd.DataFrame, y: pd.Series) -> "Spy":
            seen.append(set(X.columns))
            assert all(len(set(range(start, start + 3)) & set(X.index)) in (0, 3) for start in range(0, 60, 3))
            return super().fit(X, y)

    sl.compare(NUMBERS, target="y", models={"spy": Spy(), "ridge": Ridge()}, baseline="spy", groups="shop", folds=4)
    assert set(map(frozenset, seen)) == {frozenset({"a", "b", "c"})}


def test_probabilities_are_scored_in_the_order_of_the_classes() -> None:
    words = pd.Series(np.where(NUMBERS["y"] > 0.5, "warm", np.where(NUMBERS["y"] < -0.5, "cold", "mild")), name="kind")
    models = {"shares": DummyClassifier(), "logit": LogisticRegression()}
    found = sl.compare(NUMBERS[["a", "b", "c"]], words, models=models, baseline="shares", folds=5)
    assert found.losses["logit"].mean() < found.losses["shares"].mean()
    labels = words.map({name: number for number, name in enumerate(sorted(set(words)))}).to_numpy()
    assert found.losses["shares"].mean() == pytest.approx(-np.mean(np.log(np.bincount(labels)[labels] / 60)), rel=0.02)


def test_nothing_to_learn_is_neither() -> None:
    noise = np.random.default_rng(5).normal(size=60)
    models = {"line": LinearRegression(), "forest": RandomForestRegressor(20, random_state=0)}
    found = sl.compare(NUMBERS[["a", "b", "c"]].to_numpy(), noise, models=models, baseline="line")
    assert found.answer == "neither"
    assert found.headline.startswith("No model is shown to be better than a prediction without columns")


@pytest.mark.parametrize(
    ("models", "baseline", "message"),
    [
        (MODELS, "forest", "expected two or more models, and a baseline among them"),
        ({"line": LinearRegression()}, "line", "expected two or more models"),
    ],
)
def test_a_comparison_needs_two_models_and_a_baseline(models: dict, baseline: str, message: str) -> None:
    with pytest.raises(sl.UserError, match=message):
        sl.compare(NUMBERS, target="y", models=models, baseline=baseline)


def test_classifiers_need_probabilities() -> None:
    kinds = NUMBERS[["a", "b"]].assign(kind=np.where(NUMBERS["y"] > 0, "up", "down"))
    with pytest.raises(sl.UserError, match="svc: expected a classifier with predict_proba"):
        sl.compare(kinds, target="kind", models={"svc": LinearSVC(), "logit": LogisticRegression()}, baseline="logit")


def test_a_margin_of_0_is_a_margin() -> None:
    frame = NUMBERS.drop(columns="shop")
    assert sl.compare(frame, target="y", models=MODELS, baseline="line", margin=0.0).margin == 0.0


def test_a_weight_counts_as_equal_rows_in_fits_and_losses() -> None:
    counts = np.resize([1, 2, 3], 60)
    weighted = NUMBERS.assign(shop=range(60), count=counts)
    repeated = weighted.loc[weighted.index.repeat(counts)].drop(columns="count")
    models = {"line": LinearRegression(), "scaled": make_pipeline(FunctionTransformer(), Ridge(alpha=5.0))}
    options = {"target": "y", "models": models, "baseline": "line", "groups": "shop", "folds": 4}
    found = sl.compare(weighted, weights="count", **options)
    for name, model in models.items():
        losses = []
        for part in Split(groups=np.arange(60)).folds(60, 4, 1, 0):
            train, test = (repeated[repeated["shop"].isin(rows)] for rows in (part.train, part.test))
            fitted = clone(model).fit(train[["a", "b", "c"]], train["y"])
            losses.append(np.mean((test["y"] - fitted.predict(test[["a", "b", "c"]])) ** 2))
        np.testing.assert_allclose(found.losses[name], losses, rtol=1e-9)


def test_an_estimator_without_weights_is_refused() -> None:
    models = {"line": LinearRegression(), "neighbours": KNeighborsRegressor()}
    with pytest.raises(sl.UserError, match="neighbours: KNeighborsRegressor takes no sample_weight; leave out"):
        sl.compare(NUMBERS.assign(count=2), target="y", models=models, baseline="line", weights="count")


@pytest.mark.parametrize("option", [{"exposure": "a"}, {"effort": "quick"}, {"reference": "x"}, {"categorical": ["a"]}])
def test_what_means_nothing_to_estimators_is_refused(option: dict) -> None:
    with pytest.raises(sl.UserError, match=f"{next(iter(option))} means nothing to the estimators"):
        sl.compare(NUMBERS, target="y", models=MODELS, baseline="line", **option)


def test_columns_can_be_chosen() -> None:
    options = {"target": "y", "models": MODELS, "baseline": "line"}
    known = sl.compare(NUMBERS[["a", "c", "y"]], **options)
    for chosen in ({"features": ["a", "c"]}, {"exclude": ["b", "shop"]}):
        np.testing.assert_array_equal(sl.compare(NUMBERS, **options, **chosen).losses["line"], known.losses["line"])


def test_a_cross_table_is_compared_as_its_cases() -> None:
    cells = housing()
    cases = cells.loc[cells.index.repeat(cells["Freq"])].drop(columns="Freq")
    encode = OneHotEncoder(drop="first")
    models = {"logit": make_pipeline(encode, LogisticRegression()), "shares": DummyClassifier()}
    options = {"target": "Sat", "models": models, "baseline": "logit", "folds": 5}
    found, known = sl.compare(cells, weights="Freq", **options), sl.compare(cases, **options)
    np.testing.assert_array_equal(found.losses["logit"], known.losses["logit"])
    assert found.losses["logit"].mean() < found.losses["shares"].mean()
