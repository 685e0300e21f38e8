"""A table's columns as numbers: what is not as expected is said, with its column and row."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from straightline.config import Target
from straightline.errors import UserError

SHOWN = 5  # faulty columns, at most


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
    _require_finite(values, where)
    return values.astype(np.float64), Column(target.column, "continuous", None)


def encode_features(frame: pd.DataFrame, names: Sequence[str], origin: str) -> pd.DataFrame:
    """Return the columns `names` as float64, true and false as 1 and 0.

    Raises UserError, naming columns and rows, for those that are absent, not numeric, missing or not finite.
    """
    if not names:
        raise UserError(f"{origin}: no column is left to predict from; expected at least one besides the targets")
    encoded, problems = {}, []
    for name in names:
        try:
            require_column(frame, name, "")
            _require_finite(frame[name], f"column {name!r}")
            encoded[name] = frame[name].astype(np.float64)
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
    if problems:
        more = f"; and {len(problems) - SHOWN} more columns" if len(problems) > SHOWN else ""
        raise UserError(f"{origin}: {'; '.join(problems[:SHOWN])}{more}")
    return pd.DataFrame(encoded)


def require_column(frame: pd.DataFrame, name: str, origin: str) -> None:
    """Raise UserError, with the nearest names, unless `frame` has the column `name`."""
    if name in frame.columns:
        return
    close = difflib.get_close_matches(name, map(str, frame.columns), n=3, cutoff=0.5)
    known = ", ".join(close or map(str, frame.columns[:10]))
    raise UserError(f"{origin}: has no column {name!r}; {'nearest' if close else 'its columns'}: {known}")


def _require_finite(values: pd.Series, where: str) -> None:
    if values.isna().all():
        raise UserError(f"{where}: has no value in any row; leave the column out")
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        rows = np.flatnonzero(pd.to_numeric(values, errors="coerce").isna())
        at, found = (int(rows[0]), values.iloc[rows[0]]) if len(rows) else (0, values.iloc[0])
        raise UserError(f"{where}, row {at + 1}: expected a number, got {found!r}; leave the column out or encode it")
    bad = np.flatnonzero(~np.isfinite(values.to_numpy(np.float64, na_value=np.nan)))
    if len(bad):
        raise UserError(
            f"{where}: expected finite numbers, got {len(bad)} missing or infinite ones, first in row {bad[0] + 1}; "
            "fill or drop those rows"
        )
