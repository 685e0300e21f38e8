"""A saved model that takes a table's columns by name and returns predictions, as MLflow loads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.data.schema import Feature
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.families.target import Target
from straightline.runtime.artifacts import read_json
from straightline.runtime.contracts import Contract

ARCHIVE, DESCRIPTION = "model.keras", "model.json"  # in the folder of a model
FORMER_FAMILIES = {"continuous": "gaussian", "binary": "bernoulli"}


@dataclass(frozen=True)
class Description(Contract):
    """What a saved model predicts, how columns become its numbers, and the SHA-256 of its archive (model.json)."""

    target: Target
    encoding: list[Feature]
    digest: str


class Predictor:
    """A saved model and how its columns become numbers."""

    def __init__(self, model: Any, description: Description) -> None:
        self._model = model
        self._target = description.target
        self._features = description.encoding

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return what `straightline predict` writes of the rows of `frame`.

        Raises MlflowException, which its server answers with status 400, where they do not fit.
        """
        from mlflow.exceptions import MlflowException

        from straightline.serving.encoder import predictions

        try:
            encoding.require(frame, self._features)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return predicted_columns(self._target, predictions(self._model, frame, self._features))


def predicted_columns(target: Target, predictions: NDArray) -> pd.DataFrame:
    """Return predictions `(rows,)` as the columns that the target's family gives a user."""
    return pd.DataFrame(FAMILIES[target.family].predicted_columns(target, predictions))


def load(folder: Path) -> Predictor:
    """Return the predictor that `mlmodel.log` wrote into `folder`. Raises UserError where the archive was changed."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model

    description = read_description(folder / DESCRIPTION)
    return Predictor(load_model(folder / ARCHIVE, description.digest), description)


def read_description(path: Path) -> Description:
    """Return a model's description. Versions before 0.2 called the family of a target its task."""
    values = read_json(path)
    target = values["target"]
    if "task" in target:
        values["target"] = target | {"family": FORMER_FAMILIES[target["task"]]}
    return Description.from_json(values, str(path))
