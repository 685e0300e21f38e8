"""What fitted variants predict, and the Keras models that ship them."""

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
from straightline.regression import exact
from straightline.training import fit, stack
from straightline.training.scoring import Predictor

STACKED = 256  # networks that predict at once
FORWARDS = 64  # traced functions that are kept for the next batch of a sweep


def regression_predictor(best: exact.Optimum, family: Family) -> Predictor:
    """Return what predicts as `best` does."""
    return lambda features: family.inverse_link(best.predict(features))


def network_predictors(model: keras.Model, fits: Sequence[fit.Fitted]) -> list[Predictor]:
    """Return what predicts as `model` does with the weights and scaling of each of `fits`."""
    forward = _forward(model)
    return [partial(_predict_network, forward, one) for one in fits]


def stacked_predictions(
    model: keras.Sequential, fits: Sequence[fit.Fitted], features: Sequence[NDArray]
) -> list[NDArray]:
    """Return what `network_predictors` of `fits` predict, each for its own `features` `(rows, columns)`, many at once.

    A call of TensorFlow costs as much as thousands of rows of a small network.
    """
    # A power of two, since a sweep's batches have other numbers each, and each number is traced.
    lanes, rows = min(1 << (len(fits) - 1).bit_length(), STACKED), max(map(len, features))
    forward = _stacked_forward(model, lanes)
    predictions: list[NDArray] = []
    for first in range(0, len(fits), lanes):
        own = fits[first : first + lanes]
        scaled = np.zeros((lanes, rows, model.input_shape[-1]), own[0].weights[0].dtype)
        for lane, (one, values) in enumerate(zip(own, features[first:], strict=False)):
            scaled[lane, : len(values)] = (values - one.scaling.center) / one.scaling.scale
        filled = [own[lane % len(own)] for lane in range(lanes)]
        weights = stack.stack_weights([one.weights for one in filled])
        frozen = stack.stack_weights([one.frozen for one in filled])
        outputs = forward(weights, frozen, scaled).numpy()[:, :, 0]
        predictions += [
            one.scaling.target_center + one.scaling.target_scale * line[: len(values)].astype(np.float64)
            for one, line, values in zip(own, outputs, features[first:], strict=False)
        ]
    return predictions


def raw_coefficients(fitted: fit.Fitted) -> NDArray:
    """Return the coefficients `(1 + columns,)`, intercept first, of a fitted regression in the columns' own units."""
    kernel, *bias = (array.astype(np.float64) for array in fitted.weights)
    return fitted.scaling.unscaled(np.concatenate([*(bias or [np.zeros(1)]), kernel[:, 0]]))


def shipped_regression(settings: Regression, table: TrainingTable, coefficients: NDArray) -> keras.Model:
    """Return the regression with `coefficients` `(1 + terms,)`: raw columns in, the target's own units out."""
    model = settings.build(len(table.names), table.family.activation, "float64")
    model.layers[-1].set_weights([coefficients[1:, np.newaxis], coefficients[:1]][: 1 + settings.intercept])
    return model


def shipped_network(settings: Neural, table: TrainingTable, fitted: fit.Fitted) -> keras.Model:
    """Return the network with its scaling inside: raw columns in, the target's own units out."""
    scaling, dtype = fitted.scaling, str(fitted.weights[0].dtype)
    # Not Normalization, which rounds means to float32 and divides by 1e-7 at least, whatever the unit (Keras 3.15).
    factor, offset = 1 / scaling.scale, -scaling.center / scaling.scale
    standardization = (
        keras.layers.Rescaling(factor, offset, dtype="float64", name="standardization") if table.standardize else None
    )
    model = settings.build(len(table.names), table.family.activation, dtype, standardization, "float64")
    weights, frozen = ([array * 1 for array in arrays] for arrays in (fitted.weights, fitted.frozen))
    for last in filter(None, (weights, frozen)):  # the layers whose sum is the target
        last[-2] *= scaling.target_scale
        last[-1] *= scaling.target_scale
    (frozen or weights)[-1] += scaling.target_center
    for variable, value in zip(stack.variables_of(model), [*weights, *frozen], strict=True):
        variable.assign(value)
    return model


@lru_cache(maxsize=FORWARDS)
def _stacked_forward(model: keras.Sequential, lanes: int) -> Callable[[stack.Weights, stack.Weights, NDArray], Any]:
    return _forward(stack.stack(model, lanes))


def _forward(model: keras.Model) -> Callable[[stack.Weights, stack.Weights, NDArray], Any]:
    """Return `model`, stacked or not, as a function of its weights too, traced once for any number of rows."""

    # States of random generators, which prediction leaves alone; a traced function could not read them.
    states = [None if stack.is_frozen(one) else one.numpy() for one in model.non_trainable_variables]

    def forward(weights: list[Any], frozen: list[Any], rows: Any) -> Any:
        still = iter(frozen)
        rest = [next(still) if state is None else state for state in states]
        return model.stateless_call(weights, rest, rows)[0]

    frozen = filter(stack.is_frozen, model.non_trainable_variables)
    given = [[tf.TensorSpec(one.shape, one.dtype) for one in of] for of in (model.trainable_variables, frozen)]
    return tf.function(
        forward,
        input_signature=[
            *given,
            tf.TensorSpec((*model.input_shape[:-2], None, model.input_shape[-1]), model.inputs[0].dtype),
        ],
        autograph=False,
    )


def _predict_network(forward: Callable, fitted: fit.Fitted, features: NDArray) -> NDArray:
    scaling = fitted.scaling
    scaled = ((features - scaling.center) / scaling.scale).astype(fitted.weights[0].dtype)
    outputs = forward(fitted.weights, fitted.frozen, scaled).numpy()[:, 0]
    return scaling.target_center + scaling.target_scale * outputs.astype(np.float64)
