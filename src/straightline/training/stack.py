"""Stacked Keras models: R replicas of one network as a single model, whose variables have a leading replica axis.

A Dense layer with a kernel `(inputs, units)` becomes a `StackedDense` with a kernel `(R, inputs, units)`. One call of
the stacked model computes all replicas at once. Replica r uses only slice r of every variable, so that no replica
influences another.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Weights = list[NDArray]  # one array per variable, kernels and biases alternating

THIN = 4  # up to this many inputs of a kernel XLA computes a fused sum faster than a matrix product (docs/log.md)


@tf.custom_gradient
def _matmul(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Multiply `(R, rows, a)` by `(R, a, b)`, written in the forms that XLA runs fastest on a CPU (docs/log.md)."""
    replicas, sources, units = kernel.shape
    if sources <= THIN:
        product = tf.reduce_sum(inputs[:, :, :, None] * kernel[:, None, :, :], axis=2)
    else:
        product = tf.matmul(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if units > 1:
            # The explicit transpose lets XLA decide if a transposed copy is faster.
            return tf.matmul(upstream, kernel, transpose_b=True), tf.matmul(tf.transpose(inputs, (0, 2, 1)), upstream)
        if sources <= THIN:
            kernel_gradient = tf.reduce_sum(inputs * upstream, axis=1)
        else:
            kernel_gradient = tf.matmul(tf.reshape(upstream, (replicas, 1, -1)), inputs)
        return upstream * tf.transpose(kernel, (0, 2, 1)), tf.reshape(kernel_gradient, kernel.shape)

    return product, gradient


class StackedDense(keras.layers.Layer):
    """R Dense layers at once: maps `(R, rows, inputs)` to `(R, rows, units)`, each replica with its own kernel."""

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
        """Return the activations `(R, rows, units)`."""
        outputs = _matmul(inputs, tf.convert_to_tensor(self.kernel))
        return self.activation(outputs + self.bias if self.use_bias else outputs)


class StackedDropout(keras.layers.Layer):
    """R Dropout layers at once, each with its own random stream, so that no replica depends on its neighbours.

    Keras draws one random stream for a whole tensor. Here a hash decides if a unit is dropped. Its inputs are the
    replica's `key`, the number of calls so far, the layer's `number`, the row and the unit. The hash is `lowbias32`,
    applied twice (C. Wellons, "Prospecting for Hash Functions", 2018).
    """

    def __init__(self, rate: float, number: int, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate
        self.number = number

    def build(self, input_shape: tuple[int, int | None, int]) -> None:
        """Create `key` `(R, 1, 1)`, the seed of each replica, and `calls`, which counts the calls in training."""
        options = {"initializer": "zeros", "dtype": "uint32", "trainable": False}
        self.key = self.add_weight(shape=(input_shape[0], 1, 1), name="key", **options)
        self.calls = self.add_weight(shape=(), name="calls", **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return `inputs`; in training a share `rate` of them becomes zero and the rest is divided by `1 - rate`."""
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
    """Return a model of inputs `(replicas, rows, inputs)`; each of its replicas computes the same function as `model`.

    All weights are zero. The variables have the same order as in `model`. Raises TypeError for a layer other than
    Dense, Dropout, Activation or Add, and for a Dense layer without a bias unless the model has no other layer. Raises
    TypeError for a regularizer too, since each replica has its own penalty (`fit.Settings.l2`).
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
    """Joins all trainable variables of `stacked` into one variable of `shape` `(R, 1, weights of a replica)`.

    XLA compiles and updates one large variable faster than many small ones.
    """

    def __init__(self, stacked: keras.Model) -> None:
        self._shapes = [tuple(variable.shape) for variable in stacked.trainable_variables]
        self._sizes = [rows * units for _, rows, units in self._shapes]
        self.shape = (self._shapes[0][0], 1, sum(self._sizes))

    def join(self, weights: Sequence[Any]) -> Any:
        """Return the arrays, one per variable (weights or gradients), joined into one."""
        return tf.concat([tf.reshape(array, (self.shape[0], 1, -1)) for array in weights], axis=2)

    def parts(self, joined: Any) -> list[Any]:
        """Return the arrays, one per variable, that `join` joined."""
        parts = tf.split(joined, self._sizes, axis=2)
        return [tf.reshape(part, shape) for part, shape in zip(parts, self._shapes, strict=True)]


def unstack(stacked: keras.Model, model: keras.Sequential, replica: int) -> keras.Sequential:
    """Return replica number `replica` of `stacked` as a plain model like `model`, from which `stacked` was made."""
    plain = keras.models.clone_model(model)
    weights = [keras.ops.convert_to_numpy(variable) for variable in variables_of(stacked)]
    for variable, value in zip(variables_of(plain), unstack_weights(weights, replica), strict=True):
        variable.assign(value)
    return plain


def variables_of(model: keras.Model) -> list[keras.Variable]:
    """Return the variables of the Dense layers of `model`: first the trainable, then the frozen ones.

    Kernels and biases alternate.
    """
    return [*model.trainable_variables, *filter(is_frozen, model.non_trainable_variables)]


def is_frozen(variable: keras.Variable) -> bool:
    """Return whether `variable` is a kernel or bias that is not trained; it differs between replicas all the same.

    The other variables that are not trained belong to Dropout layers.
    """
    return not variable.trainable and variable.name in ("kernel", "bias")


def dtype_of(model: keras.Sequential) -> str:
    """Return the dtype of the layers of `model`, which may differ from the dtype of the Sequential model itself."""
    return str(model.layers[-1].compute_dtype)


def initial_weights(model: keras.Sequential, seeds: Sequence[int]) -> Weights:
    """Return initial weights for a stack of `model`, one replica per seed.

    The initializers of the layers draw the weights of a replica from its seed alone. Frozen layers get none.
    """
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense) and layer.trainable]
    states = [np.random.SeedSequence([seed]).generate_state(2 * len(dense)) for seed in seeds]

    def draw(state: Any) -> list[Any]:
        weights = []
        for number, layer in enumerate(dense):
            weights.append(_drawn(layer.kernel_initializer, layer.kernel, state[2 * number : 2 * number + 2]))
            if layer.use_bias:
                weights.append(_drawn(layer.bias_initializer, layer.bias, state[:2])[None])
        return weights

    # One traced loop draws for all seeds, since each separate call of a Keras initializer takes milliseconds.
    specs = [tf.TensorSpec(None, variable.dtype) for variable in model.trainable_variables]
    draw_all = tf.function(lambda rows: tf.map_fn(draw, rows, fn_output_signature=specs), autograph=False)
    rows = tf.constant(np.stack(states))
    return [array.numpy() for array in draw_all.get_concrete_function(rows)(rows)]


def _drawn(initializer: keras.initializers.Initializer, variable: keras.Variable, state: Any) -> Any:
    """Return initial values for `variable`, drawn with the seed `state` `(2,)`."""
    options = initializer.get_config()
    if "seed" in options:
        options["seed"] = _FixedSeed(state)
    return type(initializer)(**options)(variable.shape, dtype=variable.dtype)


class _FixedSeed(keras.random.SeedGenerator):
    """A seed generator that returns the seed `state` `(2,)`, which may be a tensor of a traced function."""

    def __init__(self, state: Any) -> None:
        self._fixed_state = state

    def next(self, ordered: bool = True) -> Any:
        return self._fixed_state


def stack_weights(weights: Sequence[Weights]) -> Weights:
    """Return the weights of a stack, joined from those of plain models; `unstack_weights` is the inverse."""
    joined = [np.stack(arrays) for arrays in zip(*weights, strict=True)]
    return [array[:, np.newaxis] if number % 2 else array for number, array in enumerate(joined)]


def unstack_weights(weights: Weights, replica: int) -> Weights:
    """Return the weights of replica number `replica` of a stack as those of a plain model.

    Kernels and biases alternate in `weights`.
    """
    return [array[replica, 0] if number % 2 else array[replica] for number, array in enumerate(weights)]
