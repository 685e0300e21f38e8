"""The scores of predictions against scikit-learn's, with and without weights."""

import keras
import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn import metrics

from straightline.families import FAMILIES
from tests.families.cases import CLASSES, EVERY, every_family, labels_of, log_link_families, predictors_of

ROWS = 80
MULTINOMIAL = next(family for family in EVERY if family.outputs > 1)
POWERS = {"poisson": 1, "gamma": 2}
DEVIANCES = {"poisson": metrics.mean_poisson_deviance, "gamma": metrics.mean_gamma_deviance}
weighted = pytest.mark.parametrize(
    "weights", [None, np.random.default_rng(9).uniform(0.2, 5, ROWS)], ids=["plain", "weighted"]
)


@weighted
def test_scores_of_numbers(weights: NDArray | None) -> None:
    truth, prediction = np.random.default_rng(0).normal(size=(2, ROWS))
    scores = FAMILIES["gaussian"].scores(truth, prediction, weights)
    assert scores == pytest.approx(
        {
            "loss": metrics.mean_squared_error(truth, prediction, sample_weight=weights),
            "mse": metrics.mean_squared_error(truth, prediction, sample_weight=weights),
            "rmse": metrics.root_mean_squared_error(truth, prediction, sample_weight=weights),
            "mae": metrics.mean_absolute_error(truth, prediction, sample_weight=weights),
            "r2": metrics.r2_score(truth, prediction, sample_weight=weights),
        }
    )


@weighted
def test_scores_of_two_classes(weights: NDArray | None) -> None:
    random = np.random.default_rng(0)
    truth, prediction = (random.random(ROWS) > 0.4).astype(float), random.random(ROWS)
    scores = FAMILIES["bernoulli"].scores(truth, prediction, weights)
    assert scores == pytest.approx(
        {
            "loss": metrics.log_loss(truth, prediction, sample_weight=weights),
            "cross_entropy": metrics.log_loss(truth, prediction, sample_weight=weights),
            "accuracy": metrics.accuracy_score(truth, prediction > 0.5, sample_weight=weights),
            "roc_auc": metrics.roc_auc_score(truth, prediction, sample_weight=weights),
            "brier": metrics.brier_score_loss(truth, prediction, sample_weight=weights),
        }
    )


@weighted
def test_scores_of_several_classes(weights: NDArray | None) -> None:
    truth = labels_of(MULTINOMIAL, ROWS)
    prediction = MULTINOMIAL.inverse_link(predictors_of(MULTINOMIAL, ROWS, 1))
    scores = MULTINOMIAL.scores(truth, prediction, weights)
    usual = {"average": "weighted", "multi_class": "ovr", "sample_weight": weights}
    assert scores == pytest.approx(
        {
            "loss": metrics.log_loss(truth, prediction, sample_weight=weights),
            "cross_entropy": metrics.log_loss(truth, prediction, sample_weight=weights),
            "accuracy": metrics.accuracy_score(truth, prediction.argmax(axis=1), sample_weight=weights),
            "roc_auc": metrics.roc_auc_score(truth, prediction, **usual),
            "brier": metrics.brier_score_loss(truth, prediction, sample_weight=weights, scale_by_half=False),
        }
    )


@weighted
@log_link_families
def test_scores_of_counts_and_amounts(family: object, weights: NDArray | None) -> None:
    name = family.name
    truth, prediction = labels_of(family, ROWS), family.inverse_link(predictors_of(family, ROWS, 1))
    scores = family.scores(truth, prediction, weights)
    deviance = DEVIANCES[name](truth, prediction, sample_weight=weights)
    assert scores == pytest.approx(
        {
            "loss": deviance,
            "deviance": deviance,
            "d2": metrics.d2_tweedie_score(truth, prediction, power=POWERS[name], sample_weight=weights),
            "rmse": metrics.root_mean_squared_error(truth, prediction, sample_weight=weights),
            "mae": metrics.mean_absolute_error(truth, prediction, sample_weight=weights),
        }
    )


@weighted
@log_link_families
def test_d2_with_an_offset_is_the_share_of_the_null_deviance(family: object, weights: NDArray | None) -> None:
    """As R does, statsmodels fits a rate to the rows for the null deviance."""
    offset = np.random.default_rng(4).normal(size=ROWS)
    truth, prediction = labels_of(family, ROWS), family.inverse_link(predictors_of(family, ROWS, 1) + offset)
    kind = sm.families.Poisson() if family.name == "poisson" else sm.families.Gamma(sm.families.links.Log())
    null = sm.GLM(truth, np.ones(ROWS), family=kind, offset=offset, var_weights=weights).fit(tol=1e-12)
    deviance = DEVIANCES[family.name](truth, prediction, sample_weight=weights)
    total = ROWS if weights is None else weights.sum()
    found = family.scores(truth, prediction, weights, offset)["d2"]
    assert found == pytest.approx(1 - deviance / (null.deviance / total), rel=1e-9)


@every_family
def test_each_score_has_a_title(family: object) -> None:
    truth, prediction = labels_of(family, ROWS), family.inverse_link(predictors_of(family, ROWS))
    assert list(family.scores(truth, prediction)) == ["loss", *family.metrics]
    assert set(family.headline_metrics) <= set(family.metrics)


def test_losses_of_rows_are_keras_own() -> None:
    truth, prediction = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.3, 1.0])
    known = keras.losses.binary_crossentropy(truth[:, None], prediction[:, None])
    losses = FAMILIES["bernoulli"].row_losses(truth, prediction)
    np.testing.assert_allclose(losses, keras.ops.convert_to_numpy(known), rtol=1e-6)
    numbers, shares = np.array([0, 2, 1]), np.array([[1.0, 0, 0], [0.2, 0.5, 0.3], [1.0, 0, 0]])
    known = keras.losses.sparse_categorical_crossentropy(numbers, shares)
    losses = FAMILIES["multinomial"].row_losses(numbers, shares)
    np.testing.assert_allclose(losses, keras.ops.convert_to_numpy(known), rtol=1e-6, atol=2e-7)


def test_a_truth_without_variation_has_no_such_score() -> None:
    assert FAMILIES["gaussian"].scores(np.ones(3), np.ones(3))["r2"] is None
    assert FAMILIES["bernoulli"].scores(np.ones(3), np.full(3, 0.9))["roc_auc"] is None
    assert FAMILIES["poisson"].scores(np.ones(3), np.full(3, 0.9))["d2"] is None
    assert FAMILIES["gamma"].scores(np.ones(3), np.full(3, 0.9))["d2"] is None
    shares = np.full((5, CLASSES), 1 / CLASSES)
    without_the_last = np.array([0.0, 1.0, 2.0, 0.0, 1.0])
    assert MULTINOMIAL.scores(without_the_last, shares)["roc_auc"] is None
