"""What fitted variants predict, and the Keras models that ship them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy import special

from straightline import exact, fit, stack
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.trained import Predictor, Table

ACTIVATIONS = {"continuous": "linear", "binary": "sigmoid"}


def regression_predictor(best: exact.Optimum, task: str) -> Predictor:
    """Return what predicts as `best` does; for a binary task probabilities."""
    if task == "continuous":
        return best.predict
    return lambda features: np.asarray(special.expit(best.predict(features)))


def network_predictors(model: keras.Model, fits: Sequence[fit.Fitted]) -> list[Predictor]:
    """Return what predicts as `model` does with the weights and scaling of each of `fits`."""
    forward = _forward(model)
    return [partial(_predict_network, forward, one) for one in fits]


def raw_coefficients(fitted: fit.Fitted) -> NDArray:
    """Return the coefficients `(1 + columns,)`, intercept first, of a fitted regression in the columns' own units."""
    kernel, bias = (array.astype(np.float64) for array in fitted.weights)
    scaling = fitted.scaling
    slopes = kernel[:, 0] * scaling.target_scale / scaling.scale
    return np.concatenate([bias * scaling.target_scale + scaling.target_center - slopes @ scaling.center, slopes])


def shipped_regression(settings: Regression, table: Table, coefficients: NDArray) -> keras.Model:
    """Return the regression with `coefficients` `(1 + columns,)`: raw columns in, the target's own units out."""
    model = settings.build(len(table.names), ACTIVATIONS[table.task], "float64")
    model.set_weights([coefficients[1:, np.newaxis], coefficients[:1]])
    return model


def shipped_network(settings: Neural, table: Table, fitted: fit.Fitted) -> keras.Model:
    """Return the network with its scaling inside: raw columns in, the target's own units out."""
    scaling, weights = fitted.scaling, [array.copy() for array in fitted.weights]
    plain = settings.build(len(table.names), ACTIVATIONS[table.task], str(weights[0].dtype))
    weights[-2] *= scaling.target_scale
    weights[-1] = weights[-1] * scaling.target_scale + scaling.target_center
    plain.set_weights(weights)
    layers = list(plain.layers)
    if table.standardize:
        mean, variance = scaling.center.tolist(), (scaling.scale**2).tolist()
        layers.insert(
            0, keras.layers.Normalization(mean=mean, variance=variance, dtype="float64", name="standardization")
        )
    features = keras.Input((len(table.names),), dtype="float64", name="features")
    return keras.Sequential([features, *layers], name=plain.name)


def _forward(model: keras.Model) -> Callable[[stack.Weights, NDArray], Any]:
    """Return `model` as a function of its weights too, traced once for any number of rows."""
    weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in model.trainable_variables]
    rows = tf.TensorSpec((None, model.input_shape[-1]), model.input_dtype)
    rest = [variable.numpy() for variable in model.non_trainable_variables]
    return tf.function(
        lambda weights, rows: model.stateless_call(weights, rest, rows)[0],
        input_signature=[weights, rows],
        autograph=False,
    )


def _predict_network(forward: Callable, fitted: fit.Fitted, features: NDArray) -> NDArray:
    scaling = fitted.scaling
    scaled = ((features - scaling.center) / scaling.scale).astype(fitted.weights[0].dtype)
    outputs = forward(fitted.weights, scaled).numpy()[:, 0]
    return scaling.target_center + scaling.target_scale * outputs.astype(np.float64)
