"""Linear and logistic regression as a Keras network: one Dense layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", strict=True))
class Regression:
    """Settings of a regression.

    `learning_rate` is that of the descent which the certificate judges; `finish: exact` ships the exact optimum in
    float64, `finish: none` what the descent reached. `robust` standard errors hold where the model is wrong.
    """

    kind: Literal["regression"]
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine"]
    finish: Literal["exact", "none"]
    robust: bool
    l2: ClassVar[float] = 0.0

    def build(self, inputs: int, output_activation: str, dtype: str = "float32") -> keras.Model:
        """Return an unfitted model that maps `(rows, inputs)` to `(rows, 1)`."""
        import keras

        return keras.Sequential(
            [
                keras.Input((inputs,), dtype=dtype, name="features"),
                keras.layers.Dense(1, activation=output_activation, dtype=dtype, name="output"),
            ],
            name="regression",
        )
