"""Linear and logistic regression as a Keras network: one Dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from straightline.models.outputs import output_layers
from straightline.models.terms import pairs

if TYPE_CHECKING:
    import keras


SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Regression:
    """Settings of a regression.

    `learning_rate` and `schedule` belong to the gradient descent that the certificate judges. With `finish: exact` the
    saved model is the exact optimum in float64, with `finish: none` it is the result of the descent. `robust` standard
    errors stay valid if the model is wrong; `quasi` ones of counts allow for a larger variance than a Poisson
    distribution has. `quadratic` terms are the columns, their squares and their products
    (`terms.py`). Without an `intercept` the line goes through the origin. `l2` is the penalty of a ridge regression
    (`regression/ridge.py`); 0 is the plain regression, and None chooses on parts of the training rows.
    """

    kind: Literal["regression"]
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    finish: Literal["exact", "none"]
    robust: bool
    terms: Literal["linear", "quadratic"]
    intercept: bool
    l2: float | None = Field(default=0.0, ge=0, le=1000)
    quasi: bool = False

    def build(self, inputs: int, outputs: int, output_activation: str, dtype: str = "float32") -> keras.Model:
        """Return an untrained model that maps `(rows, inputs)` to predictions by `outputs` linear predictors."""
        import keras

        features = keras.Input((inputs,), dtype=dtype, name="features")
        output = output_layers(outputs, output_activation, dtype, use_bias=self.intercept)
        if self.terms == "linear":
            return keras.Sequential([features, *output], name="regression")
        left, right = (
            _selection(columns, inputs, dtype, name) for columns, name in zip(pairs(inputs).T, SIDES, strict=True)
        )
        products = keras.layers.Multiply(dtype=dtype, name="products")([left(features), right(features)])
        terms = keras.layers.Concatenate(dtype=dtype, name="terms")([features, products])
        predictions = terms
        for layer in output:
            predictions = layer(predictions)
        return keras.Model(features, predictions, name="quadratic")


def _selection(columns: NDArray, inputs: int, dtype: str, name: str) -> keras.layers.Layer:
    """Return a fixed layer that selects `columns` of its inputs.

    It is a plain Keras layer, so that a saved model can be loaded without this package.
    """
    import keras

    layer = keras.layers.Dense(len(columns), use_bias=False, trainable=False, dtype=dtype, name=name)
    layer.build((None, inputs))
    layer.kernel.assign(np.eye(inputs)[:, columns])
    return layer
