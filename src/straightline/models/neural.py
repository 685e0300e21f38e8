"""A multilayer perceptron: hidden Dense layers, then the same Dense output as the regression's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    import keras

Width = Annotated[int, Field(ge=1, le=65536)]
Activation = Literal["elu", "gelu", "leaky_relu", "relu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Neural:
    """Settings of a network: units of each hidden layer, their activation, and what keeps it from overfitting.

    `dropout` is the share of each hidden layer's units that a training step leaves out; `l2` the penalty on kernels.
    The penalty adds `l2 * sum(kernel ** 2)` of every layer to the loss, as `keras.regularizers.L2` does.
    """

    kind: Literal["neural"]
    hidden: list[Width] = Field(min_length=1)
    activation: Activation
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    l2: float = Field(ge=0, le=1000)
    dropout: float = Field(ge=0, lt=1)

    def build(self, inputs: int, output_activation: str, dtype: str = "float32") -> keras.Model:
        """Return an unfitted model that maps `(rows, inputs)` to `(rows, 1)`."""
        import keras

        hidden: list[keras.Layer] = []
        for number, units in enumerate(self.hidden, start=1):
            hidden.append(keras.layers.Dense(units, activation=self.activation, dtype=dtype, name=f"hidden_{number}"))
            if self.dropout:
                hidden.append(keras.layers.Dropout(self.dropout, dtype=dtype, name=f"dropout_{number}"))
        return keras.Sequential(
            [
                keras.Input((inputs,), dtype=dtype, name="features"),
                *hidden,
                keras.layers.Dense(1, activation=output_activation, dtype=dtype, name="output"),
            ],
            name="neural",
        )
