"""Families: identities between loss, link, derivatives and baseline, and scores against scikit-learn."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics

from straightline.calibration import truths
from straightline.errors import UserError
from straightline.families import FAMILIES, Family

PREDICTORS = np.linspace(-6, 6, 49)
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def labels_of(family: Family, rows: int, seed: int = 0) -> NDArray:
    """Return labels that the family may have."""
    random = np.random.default_rng(seed)
    return family.draw(random.normal(size=rows), family.noises[0], 1.0, random)


def newton_losses(family: Family, predictor: NDArray, labels: NDArray) -> NDArray:
    """Return the losses that `newton` differentiates: of squared errors a half."""
    return family.predictor_losses(predictor, labels) * (0.5 if family.is_least_squares else 1.0)


@every_family
def test_residual_and_curvature_are_the_derivatives_of_the_loss(family: Family) -> None:
    labels, step = labels_of(family, len(PREDICTORS)), 1e-3
    below, here, above = (newton_losses(family, PREDICTORS + move, labels) for move in (-step, 0.0, step))
    found = family.newton(PREDICTORS, labels)
    np.testing.assert_allclose(found.residual, (below - above) / (2 * step), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found.curvature, (below - 2 * here + above) / step**2, rtol=1e-5, atol=1e-8)


@every_family
@given(share=st.floats(0.001, 0.999))
def test_the_inverse_link_undoes_the_link(family: Family, share: float) -> None:
    assert family.inverse_link(np.array([family.link(share)]))[0] == pytest.approx(share, rel=1e-12)


@every_family
def test_a_rows_loss_is_the_same_by_prediction_and_by_linear_predictor(family: Family) -> None:
    labels = labels_of(family, len(PREDICTORS))
    by_prediction = family.row_losses(labels, family.inverse_link(PREDICTORS))
    by_predictor = family.predictor_losses(PREDICTORS, labels)
    np.testing.assert_allclose(by_prediction, by_predictor, rtol=1e-9)
    by_keras = family.keras_loss(labels[np.newaxis, :, np.newaxis], PREDICTORS[np.newaxis, :, np.newaxis])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(by_keras), by_predictor[np.newaxis], rtol=1e-6, atol=1e-9)


@every_family
@given(seed=st.integers(0, 99), change=st.floats(-0.2, 0.2))
def test_no_constant_is_better_than_the_baseline(family: Family, seed: int, change: float) -> None:
    labels = labels_of(family, 60, seed)
    best = family.baseline(labels)
    other = family.inverse_link(np.array([family.link(best) + change]))[0]
    loss, other_loss = (family.mean_loss(labels, np.full(60, constant)) for constant in (best, other))
    assert loss <= other_loss * (1 + 1e-12)


@every_family
def test_labels_are_drawn_about_the_prediction(family: Family) -> None:
    predictor = np.repeat([-1.0, 0.0, 2.0], 100_000)
    for noise in family.noises:
        drawn = family.draw(predictor, noise, 0.5, np.random.default_rng(0)).reshape(3, -1)
        error = drawn.std(axis=1) / np.sqrt(drawn.shape[1])
        assert (abs(drawn.mean(axis=1) - family.inverse_link(predictor[::100_000])) < 4 * error).all()


def expected_losses(family: Family, features: NDArray, predictor: NDArray, scale: float) -> tuple[float, float]:
    """Return the expected loss of the truth, and that of the best straight line by statsmodels."""
    design = sm.add_constant(features)
    if family.is_least_squares:
        line = sm.OLS(predictor, design).fit()
        return scale**2, scale**2 + float(np.mean(line.resid**2))
    probability = special.expit(predictor)
    line = sm.GLM(probability, design, family=sm.families.Binomial()).fit()

    def loss(predicted: Any) -> float:
        return float(-np.mean(probability * np.log(predicted) + (1 - probability) * np.log1p(-predicted)))

    return loss(probability), loss(line.predict(design))


@every_family
def test_the_curve_costs_the_best_line_the_gain(family: Family) -> None:
    features = np.random.default_rng(0).normal(size=(4000, 2))
    line, curve = features @ [0.7, -0.7], truths.curve(features)
    swing = family.curve_amplitude(0.2, 1.5, features, line, curve)
    best, straight = expected_losses(family, features, line + swing * curve, 1.5)
    assert 1 - best / straight == pytest.approx(0.2, abs=1e-3)


def test_words_with_line_breaks_are_refused_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^y has 3 different words \(a b, c, d\); expected numbers"):
        FAMILIES["gaussian"].labels(pd.Series(["a\nb", "c", "d"]), "y")


def test_continuous_scores_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, prediction = random.normal(size=(2, 50))
    found = FAMILIES["gaussian"].scores(truth, prediction)
    assert found["mse"] == found["loss"] == pytest.approx(metrics.mean_squared_error(truth, prediction))
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, prediction))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, prediction))
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, prediction))


def test_binary_scores_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, prediction = (random.random(50) > 0.4).astype(float), random.random(50)
    found = FAMILIES["bernoulli"].scores(truth, prediction)
    assert found["cross_entropy"] == found["loss"] == pytest.approx(metrics.log_loss(truth, prediction))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, prediction > 0.5))
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, prediction))
    assert found["brier"] == pytest.approx(metrics.brier_score_loss(truth, prediction))


def test_row_losses_are_keras_own() -> None:
    truth, prediction = np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.3, 1.0])
    known = keras.losses.binary_crossentropy(truth[:, None].astype("float64"), prediction[:, None])
    np.testing.assert_allclose(
        FAMILIES["bernoulli"].row_losses(truth, prediction), keras.ops.convert_to_numpy(known), rtol=1e-6
    )


def test_a_constant_truth_has_no_r2_and_no_auc() -> None:
    assert FAMILIES["gaussian"].scores(np.ones(3), np.ones(3))["r2"] is None
    assert FAMILIES["bernoulli"].scores(np.ones(3), np.full(3, 0.9))["roc_auc"] is None
