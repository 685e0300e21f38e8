"""The registry of models. A new model needs a module here, an entry in `Model`, and a YAML file in `conf/model`.

The module defines the model's settings: a frozen dataclass with a unique `kind` and a method `build` that returns a
plain Keras model. Keras is imported when a model is built, so that a config can be checked without TensorFlow.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from straightline.errors import UserError
from straightline.models.averaged import Averaged, Choices
from straightline.models.neural import Neural
from straightline.models.regression import Regression

__all__ = ["Averaged", "Choices", "Model", "Neural", "Regression", "baseline_of"]

Model = Annotated[Regression | Neural | Averaged, Field(discriminator="kind")]


def baseline_of(models: Mapping[str, Model]) -> str:
    """Return the name of the straight line that the other `models` are compared with.

    Raises UserError unless there are exactly one straight line and at least one other model.
    """
    lines = [name for name, model in models.items() if isinstance(model, Regression) and model.terms == "linear"]
    if len(lines) == 1 and len(models) > 1:
        return lines[0]
    raise UserError(
        f"params.yaml: models: expected exactly one regression with linear terms and at least one other model, got "
        f"{', '.join(f'{name} ({model.kind})' for name, model in models.items())}"
    )
