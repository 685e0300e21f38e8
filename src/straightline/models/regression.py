"""Linear and logistic regression as a Keras network: one Dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from straightline.models.terms import pairs

if TYPE_CHECKING:
    import keras


SIDES = ("left", "right")


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Regression:
    """Settings of a regression.

    `learning_rate` is that of the descent which the certificate judges; `finish: exact` ships the exact optimum in
    float64, `finish: none` what the descent reached. `robust` standard errors hold where the model is wrong. Terms that
    are `quadratic` are the columns, their squares and their products (`terms.py`). Without an `intercept` the line goes
    through the origin.
    """

    kind: Literal["regression"]
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    finish: Literal["exact", "none"]
    robust: bool
    terms: Literal["linear", "quadratic"]
    intercept: bool
    l2: ClassVar[float] = 0.0

    def build(self, inputs: int, output_activation: str, dtype: str = "float32") -> keras.Model:
        """Return an unfitted model that maps `(rows, inputs)` to `(rows, 1)`."""
        import keras

        features = keras.Input((inputs,), dtype=dtype, name="features")
        output = keras.layers.Dense(
            1, activation=output_activation, use_bias=self.intercept, dtype=dtype, name="output"
        )
        if self.terms == "linear":
            return keras.Sequential([features, output], name="regression")
        left, right = (
            _chosen(column, inputs, dtype, name) for column, name in zip(pairs(inputs).T, SIDES, strict=True)
        )
        products = keras.layers.Multiply(dtype=dtype, name="products")([left(features), right(features)])
        every = keras.layers.Concatenate(dtype=dtype, name="terms")([features, products])
        return keras.Model(features, output(every), name="quadratic")


def _chosen(columns: NDArray, inputs: int, dtype: str, name: str) -> keras.layers.Layer:
    """Return a fixed layer of some of its inputs, in Keras' own words, so that a saved model needs no code of ours."""
    import keras

    layer = keras.layers.Dense(len(columns), use_bias=False, trainable=False, dtype=dtype, name=name)
    layer.build((None, inputs))
    layer.kernel.assign(np.eye(inputs)[:, columns])
    return layer
