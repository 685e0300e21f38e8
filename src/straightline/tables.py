"""Read, check and split a table."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from straightline.config import Target
from straightline.errors import UserError


@dataclass(frozen=True)
class Column:
    """A target as it was found: its task, and for a binary one the two values that became 0 and 1."""

    column: str
    task: str
    classes: list[object] | None


def read_table(path: Path) -> pd.DataFrame:
    """Return the table in a CSV (comma, header line, UTF-8) or Parquet file.

    Raises UserError where the file is absent or not readable as what its name says.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; give the path of a CSV or Parquet file (under `dvc exp run --temp` and the queue a "
            "file that neither git nor DVC tracks is absent: `dvc add` it)"
        )
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            frame = pa.parquet.read_table(path).to_pandas()
        else:
            blanks = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
            frame = pa.csv.read_csv(path, convert_options=blanks).to_pandas()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not readable as a table: {reason}; expected comma-separated UTF-8 text") from None
    names = list(frame.columns)
    repeated = sorted({name for name in names if names.count(name) > 1 or not str(name).strip()})
    if repeated:
        raise UserError(f"{path}: column names must be there and differ, got {repeated}; rename them in the header")
    if frame.empty:
        raise UserError(f"{path}: has a header and no rows; expected at least one row below it")
    return frame


def encode_target(frame: pd.DataFrame, target: Target, origin: str) -> tuple[pd.Series, Column]:
    """Return the target's column as numbers (0 and 1 for a binary one) and what it was found to be.

    Raises UserError where it is absent, has missing values, is constant, or does not fit its task.
    """
    values = _column(frame, target.column, origin)
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

    Raises UserError, naming column and row, for one that is absent, not numeric, missing or not finite.
    """
    if not names:
        raise UserError(f"{origin}: no column is left to predict from; expected at least one besides the targets")
    encoded = {}
    for name in names:
        values = _column(frame, name, origin)
        _require_finite(values, f"{origin}: column {name!r}")
        encoded[name] = values.astype(np.float64)
    return pd.DataFrame(encoded)


def _column(frame: pd.DataFrame, name: str, origin: str) -> pd.Series:
    if name in frame.columns:
        return frame[name]
    close = difflib.get_close_matches(name, map(str, frame.columns), n=3, cutoff=0.5)
    known = ", ".join(close or map(str, frame.columns[:10]))
    raise UserError(f"{origin}: has no column {name!r}; {'nearest' if close else 'its columns'}: {known}")


def _require_finite(values: pd.Series, where: str) -> None:
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
