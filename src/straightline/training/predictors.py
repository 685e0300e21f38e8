"""Predictions of fitted variants, and the Keras models that are shipped.

`network_predictors` predicts with one network at a time, `stacked_predictions` with many networks in one call. Both use
the weights in `fit.Fitted`, which map scaled columns to the scaled target, and undo the scaling. A shipped model has
the scaling inside: it takes raw columns and returns predictions in the target's own units.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data.training_table import TrainingTable
from straightline.families import Family
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.training import fit, stack
from straightline.training.scoring import Predictor

STACKED = 256  # most networks that predict in one call
FORWARDS = 64  # traced functions that are kept, so that the next batch of a sweep can use them again


def network_predictors(model: keras.Model, fits: Sequence[fit.Fitted], family: Family) -> list[Predictor]:
    """Return for each of `fits` the predictor that uses `model`, of linear predictors, with its weights and scaling."""
    forward = _forward(model)
    return [partial(_predict_network, forward, fitted, family) for fitted in fits]


def stacked_predictions(
    model: keras.Sequential, fits: Sequence[fit.Fitted], features: Sequence[NDArray], family: Family
) -> list[NDArray]:
    """Return the predictions of each of `fits` for its own `features` `(rows, columns)`.

    They equal those of `network_predictors`. Many networks predict in one call, because a call of TensorFlow costs as
    much as thousands of rows of a small network.
    """
    # Each number of lanes is traced anew, and the batches of a sweep differ in size, so only powers of two are used.
    lanes, rows = min(1 << (len(fits) - 1).bit_length(), STACKED), max(map(len, features))
    forward = _stacked_forward(model, lanes)
    predictions: list[NDArray] = []
    for first in range(0, len(fits), lanes):
        batch, batch_features = fits[first : first + lanes], features[first : first + lanes]
        scaled = np.zeros((lanes, rows, model.input_shape[-1]), batch[0].weights[0].dtype)
        for lane, (fitted, values) in enumerate(zip(batch, batch_features, strict=True)):
            scaled[lane, : len(values)] = (values - fitted.scaling.center) / fitted.scaling.scale
        filled = [batch[lane % len(batch)] for lane in range(lanes)]  # repeats networks until all lanes are full
        weights = stack.stack_weights([fitted.weights for fitted in filled])
        frozen = stack.stack_weights([fitted.frozen for fitted in filled])
        outputs = forward(weights, frozen, scaled).numpy()
        predictions += [
            _prediction(fitted, lane_outputs[: len(values)], family)
            for fitted, lane_outputs, values in zip(batch, outputs, batch_features, strict=False)
        ]
    return predictions


def raw_coefficients(fitted: fit.Fitted) -> NDArray:
    """Return the coefficients of a fitted regression in the units of the columns, with the shape of `Optimum` has."""
    kernel, *bias = (array.astype(np.float64) for array in fitted.weights)
    coefficients = np.vstack([*(bias or [np.zeros(kernel.shape[1])]), kernel])
    return fitted.scaling.unscaled(coefficients[:, 0] if kernel.shape[1] == 1 else coefficients)


def shipped_regression(model_settings: Regression, table: TrainingTable, coefficients: NDArray) -> keras.Model:
    """Return the regression with `coefficients` `(1 + terms, ...)`, intercept first.

    It takes raw columns and predicts in the target's own units, for the offset 0.
    """
    family = table.family
    model = model_settings.build(len(table.names), family.outputs, family.activation, "float64")
    kernel = coefficients[1:].reshape(-1, family.outputs)
    model.get_layer("output").set_weights([kernel, np.atleast_1d(coefficients[0])][: 1 + model_settings.intercept])
    return model


def shipped_network(model_settings: Neural, table: TrainingTable, fitted: fit.Fitted) -> keras.Model:
    """Return the network with its scaling inside.

    It takes raw columns and predicts in the target's own units, for the offset 0. The columns are scaled by a layer.
    The scaling of the target is merged into the weights of the last layers.
    """
    scaling, dtype = fitted.scaling, str(fitted.weights[0].dtype)
    # Not Normalization, which rounds means to float32 and never divides by less than 1e-7 (Keras 3.15).
    factor, offset = 1 / scaling.scale, -scaling.center / scaling.scale
    standardization = (
        keras.layers.Rescaling(factor, offset, dtype="float64", name="standardization") if table.standardize else None
    )
    family = table.family
    model = model_settings.build(len(table.names), family.outputs, family.activation, dtype, standardization, "float64")
    weights, frozen = ([array.copy() for array in arrays] for arrays in (fitted.weights, fitted.frozen))
    for arrays in filter(None, (weights, frozen)):  # the last layer of each; their sum is the linear predictor
        arrays[-2] *= scaling.target.predictor_scale
        arrays[-1] *= scaling.target.predictor_scale
    (frozen or weights)[-1] += scaling.target.predictor_center
    # The layer that adds the reference class is the last one, and keeps its weights.
    for variable, value in zip(stack.variables_of(model), [*weights, *frozen], strict=False):
        variable.assign(value)
    return model


@lru_cache(maxsize=FORWARDS)
def _stacked_forward(model: keras.Sequential, lanes: int) -> Callable[[stack.Weights, stack.Weights, NDArray], Any]:
    return _forward(stack.stack(model, lanes))


@lru_cache(maxsize=FORWARDS)
def _forward(model: keras.Model) -> Callable[[stack.Weights, stack.Weights, NDArray], Any]:
    """Return a function of (trainable weights, frozen weights, rows) that computes `model`, stacked or not.

    It is traced once for any weights and any number of rows.
    """
    others = model.non_trainable_variables
    # A traced function cannot read the state of random generators. Prediction does not use it: a constant is enough.
    states = [None if stack.is_frozen(variable) else variable.numpy() for variable in others]

    def forward(weights: list[Any], frozen: list[Any], rows: Any) -> Any:
        frozen_weights = iter(frozen)
        non_trainable = [next(frozen_weights) if state is None else state for state in states]
        return model.stateless_call(weights, non_trainable, rows)[0]

    weight_specs, frozen_specs = (
        [tf.TensorSpec(variable.shape, variable.dtype) for variable in variables]
        for variables in (model.trainable_variables, filter(stack.is_frozen, others))
    )
    row_spec = tf.TensorSpec((*model.input_shape[:-2], None, model.input_shape[-1]), model.inputs[0].dtype)
    return tf.function(forward, input_signature=[weight_specs, frozen_specs, row_spec], autograph=False)


def _predict_network(forward: Callable, fitted: fit.Fitted, family: Family, features: NDArray) -> NDArray:
    scaling = fitted.scaling
    scaled = ((features - scaling.center) / scaling.scale).astype(fitted.weights[0].dtype)
    return _prediction(fitted, forward(fitted.weights, fitted.frozen, scaled).numpy(), family)


def _prediction(fitted: fit.Fitted, outputs: NDArray, family: Family) -> NDArray:
    """Return the predictions from scaled linear predictors `(rows, outputs)`, as float64."""
    predictor = fitted.scaling.predictor(outputs.astype(np.float64))
    return family.inverse_link(predictor[:, 0] if family.outputs == 1 else predictor)
