"""Summaries of held-out rows against scikit-learn and against their own sums; a row of weight k is k rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from straightline.families import Bernoulli, Family, Multinomial, Poisson
from straightline.report import held_out
from straightline.serving.held_out import HeldOut

ROWS = 150


def drawn(classes: int, weighted: bool, rows: int = ROWS, seed: int = 0) -> HeldOut:
    """Return rows of `classes` classes, with predictions that say something about them; 0 stands for counts."""
    random = np.random.default_rng([seed, classes])
    weights = random.integers(1, 4, rows).astype(np.float64) if weighted else None
    if not classes:
        means = np.exp(random.normal(size=rows)).round(1)  # with equal predictions
        return HeldOut(random.poisson(means).astype(np.float64), means, weights)
    predictor = random.normal(size=(rows, classes - 1)).round(1)
    family: Family = Multinomial(classes) if classes > 2 else Bernoulli()
    predictor = predictor if classes > 2 else predictor[:, 0]
    truth = family.draw(predictor, family.noises[0], 1.0, random)
    truth[:classes] = range(classes)
    return HeldOut(truth, family.inverse_link(predictor), weights)


def repeated(rows: HeldOut) -> HeldOut:
    """Return each row as often as its weight says."""
    assert rows.weights is not None
    times = rows.weights.astype(int)
    return HeldOut(np.repeat(rows.truth, times), np.repeat(rows.prediction, times, axis=0))


def scores(rows: HeldOut, classes: int) -> dict[str, float | None]:
    family = Bernoulli() if classes == 2 else Multinomial(classes)
    return family.scores(rows.truth, rows.prediction, rows.weights)


every_size = pytest.mark.parametrize("classes", [2, 3, 12])
with_and_without_weights = pytest.mark.parametrize("weighted", [False, True])


@every_size
@with_and_without_weights
def test_a_confusion_matrix_is_scikit_learns(classes: int, weighted: bool) -> None:
    rows = drawn(classes, weighted)
    likeliest = held_out.probabilities(rows).argmax(axis=1)
    known = metrics.confusion_matrix(rows.truth, likeliest, labels=range(classes), sample_weight=rows.weights)
    np.testing.assert_allclose(held_out.confusion(rows, classes), known)


@every_size
@with_and_without_weights
def test_the_share_on_its_diagonal_is_the_accuracy(classes: int, weighted: bool) -> None:
    rows = drawn(classes, weighted)
    counts = held_out.confusion(rows, classes)
    assert counts.sum() == held_out.weights_of(rows).sum()
    assert counts.trace() / counts.sum() == pytest.approx(scores(rows, classes)["accuracy"])


@every_size
@with_and_without_weights
def test_roc_curves_are_scikit_learns(classes: int, weighted: bool) -> None:
    rows = drawn(classes, weighted)
    for number, (false, true) in held_out.class_curves(rows).items():
        known = metrics.roc_curve(
            rows.truth == number,
            held_out.probabilities(rows)[:, number],
            sample_weight=rows.weights,
            drop_intermediate=False,
        )
        np.testing.assert_allclose(false, known[0])
        np.testing.assert_allclose(true, known[1])


@every_size
@with_and_without_weights
def test_the_mean_of_the_areas_by_the_rows_of_the_classes_is_the_score(classes: int, weighted: bool) -> None:
    rows = drawn(classes, weighted)
    curves = held_out.class_curves(rows)
    assert list(curves) == ([1] if classes == 2 else list(range(classes)))
    areas = [np.trapezoid(true, false) for false, true in curves.values()]
    shares = np.bincount(rows.truth.astype(int), rows.weights)[list(curves)]
    score = scores(rows, classes)["roc_auc"]
    assert np.average(areas, weights=shares) == pytest.approx(score)
    false, true = held_out.mean_curve(curves, rows, 1001)
    assert np.trapezoid(true, false) == pytest.approx(score, abs=0.002)


def test_a_class_without_rows_has_no_curve() -> None:
    rows = HeldOut(np.array([0.0, 0.0, 2.0]), np.full((3, 4), 0.25))
    assert list(held_out.class_curves(rows)) == [0, 2]
    assert held_out.class_curves(HeldOut(np.zeros(3), np.full((3, 4), 0.25))) == {}


@with_and_without_weights
@given(st.integers(1, 400), st.integers(0, 5))
def test_means_of_groups_average_to_the_overall_means(weighted: bool, rows: int, seed: int) -> None:
    counts, weights = drawn(0, weighted, rows, seed), held_out.weights_of(drawn(0, weighted, rows, seed))
    table = held_out.calibration(counts)
    assert table["weight"].sum() == weights.sum()
    for name, values in (("truth", counts.truth), ("prediction", counts.prediction)):
        assert np.average(table[name], weights=table["weight"]) == pytest.approx(np.average(values, weights=weights))
    assert table["prediction"].is_monotonic_increasing
    assert len(table) <= max(3, min(10, rows // 10))


@with_and_without_weights
def test_groups_of_distinct_predictions_have_about_equal_weights(weighted: bool) -> None:
    rows = drawn(0, weighted, 2000)
    distinct = HeldOut(rows.truth, np.random.default_rng(1).random(2000), rows.weights)
    weights = held_out.calibration(distinct)["weight"]
    assert len(weights) == 10
    assert np.ptp(weights) <= 2 * held_out.weights_of(rows).max()


@with_and_without_weights
def test_shares_of_bins_average_to_the_share_of_the_class(weighted: bool) -> None:
    rows = drawn(4, weighted)
    for number in range(4):
        table = held_out.reliability(rows, number)
        share = np.average(rows.truth == number, weights=rows.weights)
        assert np.average(table["truth"], weights=table["weight"]) == pytest.approx(share)
        assert ((table["prediction"] * 10).astype(int)).is_unique


@pytest.mark.parametrize("classes", [0, 2, 5])
def test_a_row_of_weight_k_is_k_rows(classes: int) -> None:
    rows = drawn(classes, weighted=True)
    many = repeated(rows)
    tables: list[tuple[pd.DataFrame | NDArray, pd.DataFrame | NDArray]]
    if classes:
        assert held_out.commonest(rows, classes, 2) == held_out.commonest(many, classes, 2)
        tables = [(held_out.reliability(rows, 1), held_out.reliability(many, 1))]
        tables += [(held_out.confusion(rows, classes), held_out.confusion(many, classes))]
        tables += [
            (np.array(curve), np.array(held_out.class_curves(many)[number]))
            for number, curve in held_out.class_curves(rows).items()
        ]
    else:
        tables = [(held_out.calibration(rows), held_out.calibration(many))]
    for weighted, counted in tables:
        np.testing.assert_allclose(weighted, counted)


def test_the_commonest_classes_are_in_the_order_of_all() -> None:
    rows = HeldOut(np.array([0.0, 1, 1, 2, 3, 3, 3]), np.full((7, 4), 0.25))
    assert held_out.commonest(rows, 4, 2) == [1, 3]
    assert held_out.commonest(rows, 4, 9) == [0, 1, 2, 3]
    assert held_out.commonest(HeldOut(rows.truth, rows.prediction, np.array([9.0, 1, 1, 1, 1, 1, 1])), 4, 1) == [0]


def test_poisson_has_predictions_that_groups_are_calibrated_for() -> None:
    """A regression with an intercept is calibrated on its own rows; here the truth is the prediction."""
    means = Poisson().inverse_link(np.linspace(-1, 3, 300))
    table = held_out.calibration(HeldOut(means, means))
    np.testing.assert_allclose(table["truth"], table["prediction"])
