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

from straightline.comparison.bins import Columns, binned
from straightline.comparison.effects import CONFIDENCE, MOST_COLUMNS, SAMPLE, dependence, effects, followed


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
    table = effects(binned(some_columns(500)), losses)
    own = table[table["column"] == name]
    assert len(own) == bins
    assert own["rows"].sum() == 500
    assert (own["rows"] * own["loss"]).sum() == pytest.approx(losses.sum())
    assert own["gain"].isna().all()


def test_gains_are_the_paired_test_of_scipy_at_the_level_that_all_share() -> None:
    columns = some_columns(300)
    losses, baseline = np.random.default_rng(1).random((2, 300))
    table = effects(binned(columns), losses, baseline)
    level = 1 - (1 - CONFIDENCE) / len(table)
    for row in table[table["column"] == "words"].itertuples():
        inside = columns["words"] == row.low
        known = stats.ttest_rel(baseline[inside], losses[inside])
        interval = known.confidence_interval(level)
        assert row.gain == pytest.approx(baseline[inside].mean() - losses[inside].mean())
        assert [row.gain_low, row.gain_high] == pytest.approx([interval.low, interval.high])


def test_a_bin_of_one_row_has_no_interval() -> None:
    table = effects(binned({"word": np.array(["a", "b", "b"], dtype=object)}), np.zeros(3), np.array([1.0, 2.0, 3.0]))
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


def test_of_many_columns_those_that_predictions_follow_are_shown() -> None:
    """The correlation ratio of a column in ten bins of equal size is that of the groups in an analysis of variance."""
    random = np.random.default_rng(3)
    columns = {f"x{number}": random.normal(size=400) for number in range(300)}
    predictions = [columns["x7"] + 0.5 * columns["x200"], 1e6 * np.tanh(columns["x42"])]
    shown = followed(binned(columns), predictions)
    assert len(shown) == MOST_COLUMNS
    assert {"x7", "x200", "x42"} <= shown.keys()
    assert [name for name in columns if name in shown] == list(shown)

    def ratio(name: str, predicted: NDArray) -> float:
        groups = np.array_split(predicted[np.argsort(columns[name])], 10)
        statistic = stats.f_oneway(*groups).statistic
        return float(9 * statistic / (9 * statistic + 390))

    ratios = {name: max(ratio(name, each) for each in predictions) for name in columns}
    assert set(shown) == set(sorted(ratios, key=lambda name: -ratios[name])[:MOST_COLUMNS])


def test_few_columns_are_all_shown_and_a_constant_prediction_follows_none() -> None:
    columns = binned(some_columns(40))
    assert followed(columns, [np.ones(40)]) is columns
    many = {str(number): np.arange(20.0) for number in range(MOST_COLUMNS + 1)}
    assert len(followed(binned(many), [np.ones(20)])) == MOST_COLUMNS


def test_a_model_of_all_columns_depends_on_a_shown_one_as_if_all_were_shown() -> None:
    columns = {name: values for name, values in some_columns(200).items() if values.dtype != object}
    predict = lambda given: given["many"] * given["few"] + np.nan_to_num(given["gaps"])  # noqa: E731
    whole = dependence(predict, columns).query("column == 'few'").reset_index(drop=True)
    pd.testing.assert_frame_equal(dependence(predict, columns, binned({"few": columns["few"]})), whole)
