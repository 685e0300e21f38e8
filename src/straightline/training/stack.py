"""Replica-stacked Keras models: R networks of one shape as one model whose variables lead with a replica axis."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Weights = list[NDArray]


THIN = 4  # the shorter side of a kernel up to which XLA is faster at a fused sum than at a product (docs/log.md)


@tf.custom_gradient
def _matmul(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Multiply `(R, rows, a)` by `(R, a, b)`, in the forms that XLA's CPU is fast at (docs/log.md)."""
    replicas, sources, units = kernel.shape
    if sources <= THIN:
        product = tf.reduce_sum(inputs[:, :, :, None] * kernel[:, None, :, :], axis=2)
    else:
        product = tf.matmul(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if units > 1:
            # Explicitly transposed: XLA copies where that is faster.
            return tf.matmul(upstream, kernel, transpose_b=True), tf.matmul(tf.transpose(inputs, (0, 2, 1)), upstream)
        if sources <= THIN:
            of_kernel = tf.reduce_sum(inputs * upstream, axis=1)
        else:
            of_kernel = tf.matmul(tf.reshape(upstream, (replicas, 1, -1)), inputs)
        return upstream * tf.transpose(kernel, (0, 2, 1)), tf.reshape(of_kernel, kernel.shape)

    return product, gradient


class StackedDense(keras.layers.Layer):
    """R Dense layers at once: `(R, rows, inputs)` to `(R, rows, units)`, replica by replica."""

    def __init__(self, units: int, activation: Any, use_bias: bool, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: tuple[int, int | None, int]) -> None:
        """Create `kernel` `(R, inputs, units)` and `bias` `(R, 1, units)`."""
        replicas, _, inputs = input_shape
        self.kernel = self.add_weight(shape=(replicas, inputs, self.units), initializer="zeros", name="kernel")
        if self.use_bias:
            self.bias = self.add_weight(shape=(replicas, 1, self.units), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Return the activations."""
        outputs = _matmul(inputs, tf.convert_to_tensor(self.kernel))
        return self.activation(outputs + self.bias if self.use_bias else outputs)


class StackedDropout(keras.layers.Layer):
    """R Dropout layers at once, each with a random stream of its own, so that no replica depends on its neighbours.

    Keras draws one stream for a whole tensor. Here a unit's fate is a hash of the replica's `key`, of how often the
    layer was called, and of row and unit: `lowbias32`, twice (C. Wellons, "Prospecting for Hash Functions", 2018).
    """

    def __init__(self, rate: float, number: int, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.number = number

    def build(self, input_shape: tuple[int, int | None, int]) -> None:
        """Create `key` `(R, 1, 1)` and `calls`, which counts."""
        options = {"initializer": "zeros", "dtype": "uint32", "trainable": False}
        self.key = self.add_weight(shape=(input_shape[0], 1, 1), name="key", **options)
        self.calls = self.add_weight(shape=(), name="calls", **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return `inputs`; in training a share `rate` of them is zero and the others are divided by `1 - rate`."""
        if not training:
            return inputs
        calls = tf.convert_to_tensor(self.calls)
        self.calls.assign(calls + tf.constant(1, tf.uint32))
        _, rows, units = (tf.shape(inputs)[axis] for axis in range(3))
        place = tf.cast(tf.range(rows)[:, None] * units + tf.range(units)[None, :], tf.uint32)
        stream = _hash(tf.convert_to_tensor(self.key) ^ _hash(calls * tf.constant(64, tf.uint32) + self.number))
        kept = _hash(stream ^ place) >= tf.constant(int(self.rate * 2**32), tf.uint32)
        return tf.where(kept, inputs / (1 - self.rate), tf.zeros_like(inputs))


def _hash(values: tf.Tensor) -> tf.Tensor:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        values = (values ^ tf.bitwise.right_shift(values, tf.constant(shift, tf.uint32))) * tf.constant(
            factor, tf.uint32
        )
    return values ^ tf.bitwise.right_shift(values, tf.constant(16, tf.uint32))


def stack(model: keras.Sequential, replicas: int) -> keras.Model:
    """Return a model of `(replicas, rows, inputs)` whose replicas each compute what `model` does, weights all zero.

    Its variables are in the order of those of `model`. Raises TypeError for a layer that is not Dense (with a bias,
    unless it is the only one), Dropout, Activation or Add, and for a regularizer, since the penalty is a replica's own
    (`fit.Settings.l2`).
    """
    inputs = keras.Input(batch_shape=(replicas, None, model.input_shape[-1]), dtype=dtype_of(model))
    numbers = {id(layer): number for number, layer in enumerate(model.layers)}
    return keras.models.clone_model(model, inputs, lambda layer: _stacked(layer, numbers[id(layer)], len(numbers) == 1))


def _stacked(layer: keras.layers.Layer, number: int, alone: bool) -> keras.layers.Layer:
    options = {"dtype": layer.dtype_policy, "name": layer.name}
    if type(layer) is keras.layers.Add:
        return keras.layers.Add(**options)
    if type(layer) is keras.layers.Activation:
        return keras.layers.Activation(layer.activation, **options)
    if type(layer) is keras.layers.Dropout:
        return StackedDropout(layer.rate, number, **options)
    if (
        type(layer) is keras.layers.Dense
        and (layer.use_bias or alone)
        and not (layer.kernel_regularizer or layer.bias_regularizer)
    ):
        return StackedDense(layer.units, layer.activation, layer.use_bias, trainable=layer.trainable, **options)
    raise TypeError(
        f"expected Dense (with a bias, without a regularizer), Dropout, Activation and Add layers, got "
        f"{type(layer).__name__} ({layer.name})"
    )


class Joint:
    """Joins the variables of `stacked` to one of `shape` `(R, 1, all)`, which XLA compiles and updates soonest."""

    def __init__(self, stacked: keras.Model) -> None:
        self._shapes = [tuple(variable.shape) for variable in stacked.trainable_variables]
        self._sizes = [rows * units for _, rows, units in self._shapes]
        self.shape = (self._shapes[0][0], 1, sum(self._sizes))

    def join(self, weights: Sequence[Any]) -> Any:
        """Return `weights`, or what else there is one of for each variable, joined."""
        return tf.concat([tf.reshape(one, (self.shape[0], 1, -1)) for one in weights], axis=2)

    def parts(self, joined: Any) -> list[Any]:
        """Return what `join` joined."""
        parts = tf.split(joined, self._sizes, axis=2)
        return [tf.reshape(part, shape) for part, shape in zip(parts, self._shapes, strict=True)]


def unstack(stacked: keras.Model, model: keras.Sequential, replica: int) -> keras.Sequential:
    """Return replica number `replica` of `stacked`, which `stack` made from `model`, as a plain model like `model`."""
    plain = keras.models.clone_model(model)
    weights = [keras.ops.convert_to_numpy(variable) for variable in variables_of(stacked)]
    for variable, value in zip(variables_of(plain), unstack_weights(weights, replica), strict=True):
        variable.assign(value)
    return plain


def variables_of(model: keras.Model) -> list[keras.Variable]:
    """Return the variables of the Dense layers of `model`, those to train first, kernels and biases alternating."""
    return [*model.trainable_variables, *filter(is_frozen, model.non_trainable_variables)]


def is_frozen(variable: keras.Variable) -> bool:
    """Return whether `variable`, none to train, is a Dense layer's, and so one that differs between replicas."""
    return not variable.trainable and variable.name in ("kernel", "bias")


def dtype_of(model: keras.Sequential) -> str:
    """Return the dtype that `model` computes in; a Sequential's own is not that of its layers."""
    return str(model.layers[-1].compute_dtype)


def initial_weights(model: keras.Sequential, seeds: Sequence[int]) -> Weights:
    """Return fresh weights for a stack of `model`; a replica's are drawn by the layers' initializers from its seed."""
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense) and layer.trainable]
    states = [np.random.SeedSequence([seed]).generate_state(2 * len(dense)) for seed in seeds]

    def draw(state: Any) -> list[Any]:
        drawn = []
        for n, layer in enumerate(dense):
            drawn.append(_drawn(layer.kernel_initializer, layer.kernel, state[2 * n : 2 * n + 2]))
            if layer.use_bias:
                drawn.append(_drawn(layer.bias_initializer, layer.bias, state[:2])[None])
        return drawn

    # One traced loop for all seeds: Keras takes milliseconds for each set of weights that it draws by itself.
    shapes = [tf.TensorSpec(None, variable.dtype) for variable in model.trainable_variables]
    every = tf.function(lambda rows: tf.map_fn(draw, rows, fn_output_signature=shapes), autograph=False)
    rows = tf.constant(np.stack(states))
    drawn = every.get_concrete_function(rows)(rows)
    return [array.numpy() for array in drawn]


def _drawn(initializer: keras.initializers.Initializer, variable: keras.Variable, state: Any) -> Any:
    options = initializer.get_config()
    if "seed" in options:
        options["seed"] = _Given(state)
    return type(initializer)(**options)(variable.shape, dtype=variable.dtype)


class _Given(keras.random.SeedGenerator):
    """The seed `state` `(2,)`, once."""

    def __init__(self, state: Any) -> None:
        self._given = state

    def next(self, ordered: bool = True) -> Any:
        return self._given


def stack_weights(weights: Sequence[Weights]) -> Weights:
    """Return the weights of a stack out of those of its replicas, as `unstack_weights` takes them apart."""
    joined = [np.stack(arrays) for arrays in zip(*weights, strict=True)]
    return [array[:, np.newaxis] if number % 2 else array for number, array in enumerate(joined)]


def unstack_weights(weights: Weights, replica: int) -> Weights:
    """Return the weights of plain model number `replica` out of those of its stack, kernels and biases alternating."""
    return [array[replica, 0] if number % 2 else array[replica] for number, array in enumerate(weights)]
