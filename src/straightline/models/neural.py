"""A multilayer perceptron: hidden Dense layers, then the same Dense output layer as in the regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from straightline.models.outputs import class_layer, output_layers

if TYPE_CHECKING:
    import keras

Width = Annotated[int, Field(ge=1, le=65536)]
Activation = Literal["elu", "gelu", "leaky_relu", "relu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Neural:
    """Settings of a network.

    `hidden` lists the number of units of each hidden layer. `dropout` is the share of the units of each hidden layer
    that a training step leaves out. `l2` adds the penalty `l2 * sum(kernel ** 2)` of every layer to the loss, as
    `keras.regularizers.L2` does. With `from_regression` the network starts as the finished regression: the regression
    stays unchanged, and hidden layers beside it have the output zero at first (Schelldorfer and Wuethrich 2019,
    "Nesting Classical Actuarial Models into Neural Networks", section 2.3). `selected_from` is the number of configs
    from which a sweep selected this one.
    """

    kind: Literal["neural"]
    hidden: list[Width] = Field(min_length=1)
    activation: Activation
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    l2: float = Field(ge=0, le=1000)
    dropout: float = Field(ge=0, lt=1)
    from_regression: bool
    selected_from: int = Field(default=1, ge=1)

    def build(
        self,
        inputs: int,
        outputs: int,
        output_activation: str,
        dtype: str = "float32",
        standardization: keras.layers.Layer | None = None,
        input_dtype: str | None = None,
    ) -> keras.Model:
        """Return an untrained model that maps `(rows, inputs)` to predictions by `outputs` linear predictors.

        The layer `standardization`, if there is one, is applied to the inputs first.
        """
        import keras

        hidden: list[keras.Layer] = []
        for number, units in enumerate(self.hidden, start=1):
            hidden.append(keras.layers.Dense(units, activation=self.activation, dtype=dtype, name=f"hidden_{number}"))
            if self.dropout:
                hidden.append(keras.layers.Dropout(self.dropout, dtype=dtype, name=f"dropout_{number}"))
        first = [] if standardization is None else [standardization]
        features = keras.Input((inputs,), dtype=input_dtype or dtype, name="features")
        if not self.from_regression:
            output = output_layers(outputs, output_activation, dtype)
            return keras.Sequential([features, *first, *hidden, *output], name="neural")
        scaled = features if standardization is None else standardization(features)
        correction = scaled
        for layer in hidden:
            correction = layer(correction)
        correction = keras.layers.Dense(outputs, kernel_initializer="zeros", dtype=dtype, name="correction")(correction)
        line = keras.layers.Dense(outputs, trainable=False, dtype=dtype, name="regression")(scaled)
        both = keras.layers.Add(dtype=dtype, name="both")([line, correction])
        if output_activation == "softmax":
            last = class_layer(outputs, dtype, "output")
        else:
            last = keras.layers.Activation(output_activation, dtype=dtype, name="output")
        return keras.Model(features, last(both), name="upgraded")
