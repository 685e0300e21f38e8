"""A saved model as MLflow loads it: it takes the columns of a table by name and returns predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.data.row_values import new_offset
from straightline.data.schema import Feature
from straightline.errors import UserError
from straightline.families import family_of
from straightline.families.target import Target
from straightline.runtime.artifacts import read_json
from straightline.runtime.contracts import Contract

BOUNDS = ("low", "high")  # names of the columns with the ends of prediction intervals
ARCHIVE, DESCRIPTION = "model.keras", "model.json"  # file names in the folder of a model
# Models that were registered before there were families have the task of their target instead.
FORMER_FAMILIES = {"continuous": "gaussian", "binary": "bernoulli"}


@dataclass(frozen=True)
class Description(Contract):
    """The content of model.json: a model's target, the encoding of its columns, and the SHA-256 of its archive."""

    target: Target
    encoding: list[Feature]
    digest: str


class Predictor:
    """A saved model together with the encoding of its columns."""

    def __init__(self, model: Any, description: Description) -> None:
        self._model = model
        self._target = description.target
        self._features = description.encoding

    def predict(self, frame: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return predictions for the rows of `frame`, in the columns that `straightline predict` writes.

        Raises MlflowException if the columns of `frame` do not fit; MLflow's server answers that with status 400.
        """
        from mlflow.exceptions import MlflowException

        from straightline.serving.encoder import predictions

        try:
            encoding.require(frame, self._features)
            offset = new_offset(frame, self._target, "the rows")
            predicted = predictions(self._model, frame, self._features)
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None
        return predicted_columns(self._target, predicted, offset)


def predicted_columns(
    target: Target, predictions: NDArray, offset: NDArray | None = None, half_width: float | None = None
) -> pd.DataFrame:
    """Return predictions as the columns that the family of the target shows to a user.

    The predictions are for the offset 0, and `offset` `(rows,)` is that of the rows. With `half_width`, two more
    columns have the ends of the intervals around the predictions.
    """
    family = family_of(target)
    predictions = family.with_offset(predictions, offset)
    table = pd.DataFrame(family.predicted_columns(target, predictions))
    if half_width is None:
        return table
    low, high = ("lower bound", "upper bound") if target.column in BOUNDS else BOUNDS
    return table.assign(**{low: predictions - half_width, high: predictions + half_width})


def load(folder: Path) -> Predictor:
    """Return the predictor that `mlmodel.log` wrote into `folder`. Raises UserError if the archive was changed."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model

    description = read_description(folder / DESCRIPTION)
    return Predictor(load_model(folder / ARCHIVE, description.digest), description)


def read_description(path: Path) -> Description:
    """Return the description of a model. Models that were registered earlier have a `task` instead of a family."""
    values = read_json(path)
    target = values["target"]
    if "task" in target:
        values["target"] = target | {"family": FORMER_FAMILIES[target["task"]]}
    return Description.from_json(values, str(path))
