"""Scores against scikit-learn; archives against themselves."""

from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn import metrics

from straightline.families import FAMILIES
from straightline.models import Neural
from straightline.serving.archive import save_model


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


def test_archives_of_one_model_are_equal_byte_for_byte(tmp_path: Path) -> None:
    settings = Neural(
        kind="neural",
        hidden=[3],
        activation="relu",
        learning_rate=0.1,
        schedule="constant",
        l2=0.0,
        dropout=0.0,
        from_regression=False,
    )
    built = [settings.build(2, "linear") for _ in range(2)]
    built[1].set_weights(built[0].get_weights())
    for number, model in enumerate(built):
        save_model(model, tmp_path / f"{number}.keras")
    assert (tmp_path / "0.keras").read_bytes() == (tmp_path / "1.keras").read_bytes()
    loaded = keras.models.load_model(tmp_path / "0.keras", safe_mode=True)
    rows = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(rows)), keras.ops.convert_to_numpy(built[0](rows)))
