"""The registry of models. A new one is a module here, a line in `Model`, and a YAML in `conf/model`.

A module holds its settings (a frozen dataclass with a `kind` of its own and a `build` method that returns the plain
Keras model). Keras is imported when a model is built, so that a config can be checked without TensorFlow.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from straightline.errors import UserError
from straightline.models.neural import Neural
from straightline.models.regression import Regression

__all__ = ["Model", "Neural", "Regression", "baseline_of"]

Model = Annotated[Regression | Neural, Field(discriminator="kind")]


def baseline_of(models: Mapping[str, Model]) -> str:
    """Return the name of the straight line that the other `models` are compared with.

    Raises UserError unless there is exactly one, and another model beside it.
    """
    lines = [name for name, model in models.items() if isinstance(model, Regression) and model.terms == "linear"]
    if len(lines) == 1 and len(models) > 1:
        return lines[0]
    raise UserError(
        f"params.yaml: models: expected one of kind regression with linear terms and at least one other to compare it "
        f"with, got {', '.join(f'{name} ({model.kind})' for name, model in models.items())}"
    )
