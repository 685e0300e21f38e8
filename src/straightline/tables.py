"""A table's targets as numbers, and what is wrong with a column, by name and row."""

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from straightline.config import Target
from straightline.errors import UserError


@dataclass(frozen=True)
class Column:
    """A target as it was found: its task, and for a binary one the two values that became 0 and 1."""

    column: str
    task: str
    classes: list[object] | None


def encode_target(frame: pd.DataFrame, target: Target, origin: str) -> tuple[pd.Series, Column]:
    """Return the target's column as numbers (0 and 1 for a binary one) and what it was found to be.

    Raises UserError where it is absent, has missing values, is constant, or does not fit its task.
    """
    require_column(frame, target.column, origin)
    values = frame[target.column]
    where = f"{origin}: target {target.column!r}"
    if values.isna().any():
        raise UserError(f"{where} is missing in {values.isna().sum()} of {len(values)} rows; fill or drop those rows")
    classes = sorted(values.unique().tolist(), key=lambda value: (str(type(value)), value))
    if len(classes) < 2:
        raise UserError(f"{where} is {classes[0]!r} in every row; there is nothing to predict")
    if target.task == "binary" or (target.task == "auto" and len(classes) == 2):
        if len(classes) != 2:
            raise UserError(
                f"{where} has {len(classes)} distinct values; a binary target has two; set task: continuous"
            )
        return (values == classes[1]).astype(np.int64), Column(target.column, "binary", classes)
    require_finite(values, where)
    return values.astype(np.float64), Column(target.column, "continuous", None)


def require_column(frame: pd.DataFrame, name: str, origin: str) -> None:
    """Raise UserError, with the nearest names, unless `frame` has the column `name`."""
    if name in frame.columns:
        return
    close = difflib.get_close_matches(name, map(str, frame.columns), n=3, cutoff=0.5)
    known = ", ".join(close or map(str, frame.columns[:10]))
    raise UserError(f"{origin}: has no column {name!r}; {'nearest' if close else 'its columns'}: {known}")


def require_finite(values: pd.Series, where: str) -> None:
    """Raise UserError, with the row, unless all `values`, whose index counts the table's rows, are finite numbers."""
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        bad = pd.to_numeric(values, errors="coerce").isna().to_numpy()
        at = int(bad.argmax())
        raise UserError(
            f"{where}, row {values.index[at] + 1}: expected a number, got {values.iloc[at]!r}; leave the column out or "
            "encode it"
        )
    bad = ~np.isfinite(values.to_numpy(np.float64, na_value=np.nan))
    if bad.any():
        raise UserError(
            f"{where}: expected finite numbers, got {bad.sum()} missing or infinite ones, first in row "
            f"{values.index[int(bad.argmax())] + 1}; fill or drop those rows"
        )
