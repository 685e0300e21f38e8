"""The registry of models. A new one is a module here, a line in `Model`, and a YAML in `conf/model`.

A module holds its settings (a frozen dataclass with a `kind` of its own and a `build` method that returns the plain
Keras model). Keras is imported when a model is built, so that a config can be checked without TensorFlow.
"""

from typing import Annotated

from pydantic import Field

from straightline.models.neural import Neural
from straightline.models.regression import Regression

__all__ = ["Model", "Neural", "Regression"]

Model = Annotated[Regression | Neural, Field(discriminator="kind")]
