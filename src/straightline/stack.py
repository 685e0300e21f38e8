"""Replica-stacked Keras models: R networks of one shape as one model whose variables lead with a replica axis."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Weights = list[NDArray]


SMALL = 1024  # products of a kernel's sides up to which a fused sum beats XLA's batched matrix product (docs/log.md)
THIN = 4


@tf.custom_gradient
def _matmul(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Multiply `(R, rows, a)` by `(R, a, b)`; small products are written as sums, which XLA fuses and vectorises."""
    _, sources, units = kernel.shape
    if min(sources, units) <= THIN:
        product = tf.reduce_sum(inputs[:, :, :, None] * kernel[:, None, :, :], axis=2)
    else:
        product = tf.matmul(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if sources * units <= SMALL:
            of_kernel = tf.reduce_sum(inputs[:, :, :, None] * upstream[:, :, None, :], axis=1)
        else:
            of_kernel = tf.matmul(inputs, upstream, transpose_a=True)
        return tf.matmul(upstream, kernel, transpose_b=True), of_kernel

    return product, gradient


class StackedDense(keras.layers.Layer):
    """R Dense layers at once: `(R, rows, inputs)` to `(R, rows, units)`, replica by replica."""

    def __init__(self, units: int, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int, int | None, int]) -> None:
        """Create `kernel` `(R, inputs, units)` and `bias` `(R, 1, units)`."""
        replicas, _, inputs = input_shape
        self.kernel = self.add_weight(shape=(replicas, inputs, self.units), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(replicas, 1, self.units), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Return the activations."""
        return self.activation(_matmul(inputs, tf.convert_to_tensor(self.kernel)) + self.bias)


def stack(model: keras.Sequential, replicas: int) -> keras.Model:
    """Return a model of `(replicas, rows, inputs)` whose replicas each compute what `model` does, weights all zero.

    Raises TypeError for a layer that is not Dense.
    """
    outputs = inputs = keras.Input(batch_shape=(replicas, None, model.input_shape[-1]), dtype=dtype_of(model))
    for layer in model.layers:
        if type(layer) is not keras.layers.Dense:
            raise TypeError(f"expected Dense layers, got {type(layer).__name__} ({layer.name})")
        outputs = StackedDense(layer.units, layer.activation, dtype=layer.dtype_policy, name=layer.name)(outputs)
    return keras.Model(inputs, outputs, name=model.name)


def dtype_of(model: keras.Sequential) -> str:
    """Return the dtype that `model` computes in; a Sequential's own is not that of its layers."""
    return str(model.layers[-1].compute_dtype)


def initial_weights(model: keras.Sequential, seed: int) -> Weights:
    """Return fresh weights for `model`, drawn by its layers' initializers from `seed` alone."""
    weights: Weights = []
    for number, layer in enumerate(model.layers):
        for initializer, variable in ((layer.kernel_initializer, layer.kernel), (layer.bias_initializer, layer.bias)):
            options = initializer.get_config()
            if "seed" in options:
                options["seed"] = int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
            drawn = type(initializer).from_config(options)(variable.shape, dtype=variable.dtype)
            weights.append(keras.ops.convert_to_numpy(drawn))
    return weights


def stack_weights(replicas: Sequence[Weights]) -> Weights:
    """Join the weights of plain models into those of their stack."""
    return [np.stack([_with_rows(array) for array in arrays]) for arrays in zip(*replicas, strict=True)]


def unstack_weights(weights: Weights, replica: int) -> Weights:
    """Return the weights of plain model number `replica` out of those of its stack."""
    return [array[replica, 0] if array.shape[1] == 1 and bias else array[replica] for array, bias in _marked(weights)]


def _with_rows(array: NDArray) -> NDArray:
    return array[np.newaxis] if array.ndim == 1 else array


def _marked(weights: Weights) -> list[tuple[NDArray, bool]]:
    # Kernels and biases alternate; a kernel of one input has the shape of a bias.
    return [(array, number % 2 == 1) for number, array in enumerate(weights)]
