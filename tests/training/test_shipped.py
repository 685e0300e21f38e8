"""The Keras models that are shipped predict what was scored, for every family: networks, averages and regressions."""

from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from straightline.data import scaling
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.models import Neural, terms
from straightline.models.outputs import CLASSES
from straightline.regression import exact
from straightline.regression.ridge import Line
from straightline.serving.archive import load_model, save_model
from straightline.training import stack
from straightline.training.averaged_variant import shipped_average
from straightline.training.averaging import Average, averaged_predictors
from straightline.training.fitted import Fitted
from straightline.training.networks import built
from straightline.training.predictors import (
    network_predictors,
    shipped_network,
    shipped_regression,
)
from straightline.training.records import weight_summary
from straightline.training.scoring import regression_predictor
from tests.builders import neural, regression, rows_of, training_table
from tests.training.cases import table as case

every_family = pytest.mark.parametrize("family", FAMILIES)


def table(family: str) -> TrainingTable:
    """Return rows whose columns, and if they are numbers whose target, have units far from 1."""
    rows = case(family, weighted=True)
    unit = {"gaussian": 500.0, "poisson": 30.0, "gamma": 1e-3}.get(family, 1.0)
    features = rows.features * [1, 1e4, 1e-6] + [7, -3e5, 0]
    return training_table(features, unit * rows.labels, family, weights=rows.weights, offset=rows.offset)


def fitted(of: TrainingTable, settings: Neural, seed: int = 0, dtype: str = "float64") -> Fitted:
    """Return the result of a fit with random weights."""
    random = np.random.default_rng(seed)
    model = built(settings, 3, of.family.outputs, dtype)
    weights, frozen = (
        [random.normal(scale=0.5, size=variable.shape).astype(dtype) for variable in variables]
        for variables in (model.trainable_variables, filter(stack.is_frozen, model.non_trainable_variables))
    )
    moments = scaling.moments(rows_of(of))
    scales = scaling.standardization(moments, of.family, offset_center=float(np.log(moments.exposure_mean)))
    return Fitted(weights, frozen, scales, 1, np.ones(1), np.ones(1), 1, None)


def predicted(model: keras.Model, features: NDArray) -> NDArray:
    """Return the predictions `(rows,)` or `(rows, classes)`."""
    values = keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(features, "float64")))
    return values[:, 0] if values.shape[1] == 1 else values


@every_family
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("from_regression", [False, True])
def test_a_network(tmp_path: Path, family: str, dtype: str, tolerance: float, from_regression: bool) -> None:
    of, settings = table(family), neural(from_regression=from_regression)
    result = fitted(of, settings, dtype=dtype)
    (predict,) = network_predictors(built(settings, 3, of.family.outputs, dtype), [result], of.family)
    features = rows_of(of).features
    known = predict(features)
    assert known.shape == ((90, 3) if family == "multinomial" else (90,))
    assert np.ptp(known, axis=0).min() > 0
    digest = save_model(shipped_network(settings, of, result), tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", digest)
    np.testing.assert_allclose(predicted(loaded, features), known, rtol=tolerance, atol=tolerance * np.abs(known).max())


@every_family
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_an_average(family: str, share: float) -> None:
    of, settings = table(family), neural()
    features = rows_of(of).features
    line = exact.optimum(rows_of(of), of.family, of.names)
    members = [fitted(of, settings, seed) for seed in range(3)]
    average = Average(settings, members, Line(line.coefficients, 0.0), share, 3, 3, 3)
    (predict,) = averaged_predictors(of, [average])
    model = shipped_average(of, average)
    known = predict(features)
    # Keras rounds the share to float32.
    np.testing.assert_allclose(predicted(model, features), known, rtol=1e-7, atol=1e-7 * np.abs(known).max())
    plain = built(settings, 3, of.family.outputs, "float64")
    single = [member(features) for member in network_predictors(plain, members, of.family)]
    of_line = regression_predictor(line, of.family)(features)
    np.testing.assert_allclose(known, share * of_line + (1 - share) * np.mean(single, axis=0), rtol=1e-12)
    if family == "multinomial":
        np.testing.assert_allclose(known.sum(axis=1), 1, rtol=1e-12)


@every_family
@pytest.mark.parametrize("intercept", [True, False])
def test_a_regression(family: str, intercept: bool) -> None:
    of, settings = table(family), regression(intercept=intercept)
    best = exact.optimum(rows_of(of), of.family, of.names, intercept=intercept)
    features = rows_of(of).features
    known = regression_predictor(best, of.family)(features)
    model = shipped_regression(settings, of, best.coefficients)
    np.testing.assert_allclose(predicted(model, features), known, rtol=1e-10)
    (layer,) = weight_summary(model, of, [fitted(of, neural())])["layers"]
    np.testing.assert_array_equal(np.reshape(layer["kernel"], best.coefficients[1:].shape), best.coefficients[1:])
    np.testing.assert_array_equal(layer["bias"], np.atleast_1d(best.coefficients[0]))


@every_family
def test_a_quadratic_regression(family: str) -> None:
    of, settings = table(family), regression(terms="quadratic")
    features = rows_of(of).features
    coefficients = np.random.default_rng(0).normal(size=(10, of.family.outputs)) * 0.1
    coefficients[1:] /= np.abs(terms.values(features)).max(axis=0)[:, np.newaxis]
    coefficients = coefficients if of.family.outputs > 1 else coefficients[:, 0]
    known = regression_predictor(Line(coefficients, 0.0), of.family)(terms.values(features))
    np.testing.assert_allclose(predicted(shipped_regression(settings, of, coefficients), features), known, rtol=1e-9)


def test_the_layer_that_adds_the_reference_is_plain_keras_and_counts_no_parameters() -> None:
    of = table("multinomial")
    model = shipped_regression(regression(), of, np.zeros((4, 2)))
    assert [type(layer) for layer in model.layers] == [keras.layers.Dense] * 2
    assert model.layers[-1].name.startswith(CLASSES)
    assert weight_summary(model, of, [fitted(of, neural())])["parameters"] == 8
    np.testing.assert_allclose(predicted(model, rows_of(of).features), 1 / 3)
