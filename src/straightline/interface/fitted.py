"""A fitted model of a comparison, which predicts new rows from raw columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.data.row_values import new_offset
from straightline.errors import UserError
from straightline.families import family_of
from straightline.interface.formula import Design
from straightline.interface.frames import as_pandas
from straightline.results.files import Results
from straightline.runtime.artifacts import read_json
from straightline.serving.prediction import ARCHIVE


class FittedModel:
    """A model as training saved it. It takes tables with the columns that it was trained on, with words and gaps.

    TensorFlow is loaded when it predicts for the first time.
    """

    def __init__(self, results: Results, target: str, model: str, design: Design | None = None) -> None:
        self._results, self._target, self._design = results, results.schema.targets[target], design
        self._folder = results.variants[target, model].folder
        self._family = family_of(self._target)
        self._model: Any = None

    @property
    def keras(self) -> Any:
        """The Keras model."""
        if self._model is None:
            from straightline.runtime.backend import import_tensorflow

            import_tensorflow()
            from straightline.serving.archive import load_model

            self._model = load_model(self._folder / ARCHIVE, read_json(self._folder / "weights.json")["digest"])
        return self._model

    def predict(self, data: Any) -> NDArray:
        """Return predictions `(rows,)`: numbers, or the likeliest class of each row.

        Raises UserError, with row and column, if the table does not fit.
        """
        found = self._predicted(data)
        columns = self._family.predicted_columns(self._target, found)
        return np.asarray(columns[self._target.column])

    def predict_proba(self, data: Any) -> NDArray:
        """Return the probabilities of the classes, `(rows, classes)`, in the order of `classes_`.

        Raises UserError for a target without classes.
        """
        if self._target.classes is None:
            raise UserError(f"predict_proba: {self._target.column} has no classes; use predict")
        found = self._predicted(data)
        return found if found.ndim == 2 else np.column_stack([1 - found, found])

    @property
    def classes_(self) -> NDArray:
        """The classes of the target, the reference first. Empty for a target of numbers."""
        return np.asarray(self._target.classes or [])

    def _predicted(self, data: Any) -> NDArray:
        model = self.keras
        from straightline.serving.encoder import predictions

        frame = as_pandas(data)
        offset = new_offset(frame, self._target, "the rows") if self._target.offset_columns else None
        frame = frame if self._design is None else self._design(frame)
        return self._family.with_offset(predictions(model, frame, self._results.schema.encoding), offset)

    def __repr__(self) -> str:
        return f"<{self._folder.name} of {self._target.column}>"
