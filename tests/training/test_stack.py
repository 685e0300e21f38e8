"""A stack of models against its models: outputs, gradients, joined variables and dropout."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.training import stack
from tests.builders import neural


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_a_stack_computes_what_its_models_do(activation: str) -> None:
    plain = neural().build(3, 1, activation, "float64")
    stacked = stack.stack(plain, 4)
    stacked.set_weights(stack.initial_weights(plain, range(4)))
    rows = np.random.default_rng(1).normal(size=(4, 7, 3))
    outputs = keras.ops.convert_to_numpy(stacked(rows))
    for replica in range(4):
        own = stack.unstack(stacked, plain, replica)
        np.testing.assert_allclose(outputs[replica], keras.ops.convert_to_numpy(own(rows[replica])), rtol=1e-12)
        alone = stack.initial_weights(plain, [replica])
        for array, back in zip(stack.unstack_weights(alone, 0), own.get_weights(), strict=True):
            np.testing.assert_array_equal(array, back)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_joined_variables_come_apart_again(hidden: list[int]) -> None:
    stacked = stack.stack(neural(hidden=hidden).build(3, 1, "linear"), 2)
    random = np.random.default_rng(0)
    weights = [random.normal(size=variable.shape) for variable in stacked.trainable_variables]
    joint = stack.Joint(stacked)
    joined = joint.join(weights)
    assert joined.shape == joint.shape == (2, 1, stacked.count_params() // 2)
    for part, known in zip(joint.parts(joined), weights, strict=True):
        np.testing.assert_array_equal(part, known)


def test_gradients_of_a_stack_are_those_of_the_plain_product() -> None:
    import tensorflow as tf

    for sources, units in ((3, 5), (16, 16), (40, 40), (1, 1), (6, 1)):
        inputs, kernel = (
            tf.random.normal((2, 8, sources), dtype="float64"),
            tf.random.normal((2, sources, units), dtype="float64"),
        )
        found, known = [], []
        for product, into in ((stack._matmul, found), (tf.matmul, known)):
            with tf.GradientTape() as tape:
                tape.watch([inputs, kernel])
                value = tf.reduce_sum(tf.sin(product(inputs, kernel)))
            into += [value, *tape.gradient(value, [inputs, kernel])]
        for one, other in zip(found, known, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(),
        keras.layers.Dense(2, use_bias=False),
        keras.layers.Dense(2, kernel_regularizer="l2"),
    ],
)
def test_other_layers_are_refused(layer: keras.layers.Layer) -> None:
    with pytest.raises(TypeError, match=f"got {type(layer).__name__}"):
        stack.stack(keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)]), 2)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    layer = stack.StackedDropout(0.3, 1)
    layer.build((2, None, 50))
    layer.key.assign(np.array([1, 2], np.uint32)[:, None, None])
    ones = np.ones((2, 400, 50), np.float32)
    first, second = (keras.ops.convert_to_numpy(layer(ones, training=True)) for _ in range(2))
    assert keras.ops.convert_to_numpy(layer(ones)).tolist() == ones.tolist()
    for drawn in (*first, *second):
        assert np.unique(drawn).tolist() == [0, np.float32(1) / np.float32(0.7)]
        # 20,000 draws: a standard deviation of the share is .0032
        assert np.mean(drawn == 0) == pytest.approx(0.3, abs=0.013)
        assert np.abs(np.corrcoef(drawn.T) - np.eye(50)).max() < 0.3
    for one, other in ((first[0], first[1]), (first[0], second[0]), (first[0, :-1], first[0, 1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.03
