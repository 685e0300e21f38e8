"""Losses by bin against sums over all rows; gains against scipy's paired test; partial dependence against others'."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.inspection import partial_dependence

from straightline.comparison.effects import CONFIDENCE, SAMPLE, Columns, dependence, effects


def some_columns(rows: int) -> dict[str, NDArray]:
    random = np.random.default_rng(0)
    gaps = random.normal(size=rows)
    gaps[::7] = np.nan
    return {
        "many": random.normal(size=rows),
        "few": random.integers(0, 3, rows).astype(float),
        "one": np.ones(rows),
        "gaps": gaps,
        "words": random.choice(np.array(["a", "b", "(missing)"], dtype=object), rows),
    }


@pytest.mark.parametrize(("name", "bins"), [("many", 10), ("few", 3), ("one", 1), ("gaps", 11), ("words", 3)])
def test_bins_cover_every_row_once(name: str, bins: int) -> None:
    losses = np.random.default_rng(1).random(500)
    table = effects(some_columns(500), losses)
    own = table[table["column"] == name]
    assert len(own) == bins
    assert own["rows"].sum() == 500
    assert (own["rows"] * own["loss"]).sum() == pytest.approx(losses.sum())
    assert own["gain"].isna().all()


def test_gains_are_the_paired_test_of_scipy_at_the_level_that_all_share() -> None:
    columns = some_columns(300)
    losses, baseline = np.random.default_rng(1).random((2, 300))
    table = effects(columns, losses, baseline)
    level = 1 - (1 - CONFIDENCE) / len(table)
    for row in table[table["column"] == "words"].itertuples():
        inside = columns["words"] == row.low
        known = stats.ttest_rel(baseline[inside], losses[inside])
        interval = known.confidence_interval(level)
        assert row.gain == pytest.approx(baseline[inside].mean() - losses[inside].mean())
        assert [row.gain_low, row.gain_high] == pytest.approx([interval.low, interval.high])


def test_a_bin_of_one_row_has_no_interval() -> None:
    table = effects({"word": np.array(["a", "b", "b"], dtype=object)}, np.zeros(3), np.array([1.0, 2.0, 3.0]))
    assert table["gain"].tolist() == [1.0, 2.5]
    assert np.isnan(table.loc[0, ["gain_low", "gain_high"]].astype(float)).all()


class Product(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predicts `many * few + gaps` of a frame, as scikit-learn wants an estimator."""

    def fit(self, frame: pd.DataFrame, truth: NDArray) -> "Product":
        self.fitted_ = True
        return self

    def predict(self, frame: pd.DataFrame) -> NDArray:
        return product({str(name): values.to_numpy() for name, values in frame.items()})


def product(columns: Columns) -> NDArray:
    return np.asarray(columns["many"] * columns["few"] + columns["other"])


@pytest.mark.parametrize("name", ["many", "few", "other"])
def test_partial_dependence_is_scikit_learns(name: str) -> None:
    random = np.random.default_rng(0)
    columns = {
        "many": random.normal(size=SAMPLE),
        "few": random.integers(0, 3, SAMPLE).astype(float),
        "other": random.normal(size=SAMPLE),
    }
    own = dependence(product, columns).query("column == @name")
    frame = pd.DataFrame(columns)
    estimator = Product().fit(frame, np.zeros(SAMPLE))
    known = partial_dependence(estimator, frame, [name], custom_values={name: own["value"].astype(float)})
    np.testing.assert_allclose(own["prediction"], known["average"][0])


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 400))
def test_partial_dependence_of_a_sum_is_its_own_part(columns: int, rows: int) -> None:
    random = np.random.default_rng([columns, rows])
    values = {f"x{number}": random.integers(0, 4, rows).astype(float) for number in range(columns)}
    table = dependence(lambda given: np.sum([*given.values()], axis=0), values)
    for name, part in table.groupby("column"):
        assert part["value"].tolist() == sorted({*values[str(name)]} & {*part["value"]})
        slopes = np.diff(part["prediction"]) / np.diff(part["value"].astype(float))
        np.testing.assert_allclose(slopes, 1.0)


def test_partial_dependence_of_words_is_by_the_commonest() -> None:
    words = np.array([word for number, word in enumerate("abcdefghijklm") for _ in range(number + 1)], dtype=object)
    table = dependence(lambda given: (given["word"] == "m").astype(float), {"word": words})
    assert table["value"].tolist() == [*"defghijklm"]
    assert table["prediction"].tolist() == [0.0] * 9 + [1.0]


def test_without_rows_there_is_nothing() -> None:
    assert effects({}, np.empty(0)).empty
    assert dependence(lambda given: np.empty(0), {}).empty
