"""The last layers of a model: one Dense layer, and for several classes a fixed one that adds the reference class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

CLASSES = "classes"  # how the name of the fixed layer begins


def output_layers(outputs: int, activation: str, dtype: str, name: str = "output", **options: Any) -> list[keras.Layer]:
    """Return the layers that turn features into predictions by `outputs` linear predictors.

    With the activation `softmax` a class whose linear predictor is 0 comes before the others, so that there is one
    prediction more. `options` are those of the Dense layer, which is called `name`.
    """
    import keras

    if activation != "softmax":
        return [keras.layers.Dense(outputs, activation=activation, dtype=dtype, name=name, **options)]
    return [keras.layers.Dense(outputs, dtype=dtype, name=name, **options), class_layer(outputs, dtype, name)]


def class_layer(outputs: int, dtype: str, name: str) -> keras.Layer:
    """Return a fixed layer that adds the reference class and turns linear predictors into probabilities.

    It is a plain Keras layer, so that a saved model can be loaded without this package.
    """
    import keras

    layer = keras.layers.Dense(
        outputs + 1, activation="softmax", use_bias=False, trainable=False, dtype=dtype, name=f"{CLASSES}_of_{name}"
    )
    layer.build((None, outputs))
    layer.kernel.assign(np.eye(outputs, outputs + 1, k=1))
    return layer
