"""A saved model that takes a table's columns by name and returns predictions, as MLflow loads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json

ARCHIVE, DESCRIPTION = "model.keras", "model.json"  # in the folder of a model


class Predictor:
    """A saved model and how its columns become numbers."""

    def __init__(self, model: Any, description: Mapping[str, Any]) -> None:
        self._model = model
        self._target = description["target"]
        self._features = encoding.of_json(description["encoding"])

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


def predicted_columns(target: Mapping[str, Any], values: NDArray) -> pd.DataFrame:
    """Return predictions `(rows,)` of a target of schema.json as columns.

    A continuous target has a column of its name, a binary one the probability of its second class too.
    """
    if target["task"] == "continuous":
        return pd.DataFrame({target["column"]: values})
    first, second = target["classes"]
    chosen = [second if value > 0.5 else first for value in values]
    return pd.DataFrame({target["column"]: chosen, f"probability of {second}": values})


def load(folder: Path) -> Predictor:
    """Return the predictor that `mlmodel.log` wrote into `folder`. Raises UserError where the archive was changed."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model

    description = read_json(folder / DESCRIPTION)
    return Predictor(load_model(folder / ARCHIVE, description["digest"]), description)
