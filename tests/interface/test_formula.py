"""Formulas: the columns of statsmodels, in estimators and in whole comparisons."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression, Ridge

import straightline as sl
from tests.builders import quick

RANDOM = np.random.default_rng(0)
HOUSES = pd.DataFrame({"size": RANDOM.uniform(40, 200, 120), "city": RANDOM.choice(list("abc"), 120)})
HOUSES["price"] = HOUSES["size"] * (1 + (HOUSES["city"] == "b")) + RANDOM.normal(0, 9, 120)
SETTINGS = dict(setting.split("=", 1) for setting in quick(hidden=4, epochs=20, k=3))
FORMULAS = ["price ~ size * C(city)", "price ~ size + I(size ** 2)", "np.log(price) ~ size", "price ~ size + city - 1"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("table", [HOUSES, pl.from_pandas(HOUSES)], ids=["pandas", "polars"])
def test_the_regression_of_a_formula_is_that_of_statsmodels(formula: str, table: object) -> None:
    found, known = sl.Regression(formula=formula).fit(table), smf.ols(formula, HOUSES).fit()
    estimates = found.tidy()["estimate"].dropna()  # There is no intercept with `- 1`.
    np.testing.assert_allclose(sorted(estimates), sorted(known.params), rtol=1e-8)
    np.testing.assert_allclose(found.predict(table), known.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(found.predict(HOUSES.iloc[[5]]), known.fittedvalues[[5]], rtol=1e-8)


def test_the_target_may_be_beside_the_formula() -> None:
    beside = sl.Regression(formula="size * city").fit(HOUSES, HOUSES["price"])
    inside = sl.Regression(formula="price ~ size * city").fit(HOUSES)
    pd.testing.assert_frame_equal(beside.tidy(), inside.tidy())
    with pytest.raises(sl.UserError, match="expected a target in the formula or as y, got both"):
        sl.Regression(formula="price ~ size").fit(HOUSES, HOUSES["price"])


def test_words_on_the_left_are_classes() -> None:
    found = sl.Regression("multinomial", formula="city ~ size + price").fit(HOUSES)
    assert found.classes_.tolist() == ["a", "b", "c"]


def test_a_comparison_by_a_formula_takes_tables_by_it() -> None:
    formula = "price ~ size * C(city)"
    found = sl.compare(HOUSES, formula=formula, settings=SETTINGS, held_out=0.0, progress=False)
    known = smf.ols(formula, HOUSES).fit()
    shown = found.regression.frame().set_index("term")["estimate"]
    np.testing.assert_allclose(shown[known.params.index], known.params, rtol=1e-8)
    new = HOUSES.head(4)
    predicted = found.models["regression"].predict(new)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).models["regression"].predict(new), predicted)
    np.testing.assert_array_equal(found.judge(margin=0.5).models["regression"].predict(new), predicted)


@pytest.mark.slow
def test_a_formula_without_an_intercept_goes_through_the_origin() -> None:
    found = sl.compare(HOUSES, formula="price ~ size - 1", settings=SETTINGS, progress=False)
    assert found.regression.frame()["term"].tolist() == ["size"]


def test_estimators_see_the_columns_of_a_formula() -> None:
    models = {"line": LinearRegression(), "ridge": Ridge()}
    found = sl.compare(HOUSES, formula="price ~ size * city", models=models, baseline="line")
    plain = sl.compare(HOUSES, target="price", features=["size"], models=models, baseline="line")
    assert found.losses["line"].mean() < plain.losses["line"].mean()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("price ~ rooms", "formula 'price ~ rooms': Unable to evaluate factor `rooms`"),
        ("price ~ size *", "formula 'price ~ size \\*': Operator"),
        ("price ~ 1", "has no column to predict from"),
        ("size", "the formula 'size' has no left side"),
        ("C(city) ~ size", "has 3 columns on the left; expected one to predict"),
    ],
)
def test_what_is_wrong_with_a_formula_is_one_line(formula: str, message: str) -> None:
    with pytest.raises(sl.UserError, match=message):
        sl.compare(HOUSES, formula=formula, progress=False)


def test_gaps_are_named() -> None:
    table = HOUSES.assign(size=HOUSES["size"].where(HOUSES.index != 6))
    message = r"column 'size' has 1 gaps, first in row 7; fill or drop these rows"
    with pytest.raises(sl.UserError, match=message):
        sl.compare(table, formula="price ~ size", progress=False)
    with pytest.raises(sl.UserError, match=message):
        sl.Regression(formula="price ~ size").fit(HOUSES).predict(table)


def test_a_formula_and_a_target_are_too_much() -> None:
    with pytest.raises(sl.UserError, match="expected a formula or target, got both"):
        sl.compare(HOUSES, formula="price ~ size", target="price")
