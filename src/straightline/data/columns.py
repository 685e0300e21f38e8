"""A table's targets, groups and order as numbers, and what is wrong with a column, by name and row."""

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.config.settings import Target
from straightline.errors import UserError

LARGEST = 1e60  # the square of a product of two such numbers is still finite
DAY = pd.Timedelta(days=1)


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
    _refuse_classes(values, classes, where)
    require_finite(values, where)
    return values.astype(np.float64), Column(target.column, "continuous", None)


def _refuse_classes(values: pd.Series, classes: list[object], where: str) -> None:
    numbers = pd.to_numeric(values, errors="coerce").notna().mean()
    if not pd.api.types.is_numeric_dtype(values) and numbers < 0.5:
        shown = ", ".join(map(str, classes[:3])) + (", ..." if len(classes) > 3 else "")
        raise UserError(
            f"{where} has {len(classes):,} different words ({shown}); expected numbers or two classes: keep the rows "
            "of two, or make a column that tells one from the others"
        )


def group_numbers(frame: pd.DataFrame, name: str, origin: str) -> NDArray[np.int64]:
    """Return a number for each row, the same where the column `name` is. Raises UserError where it has gaps."""
    _require_complete(frame, name, origin)
    return pd.factorize(frame[name])[0]


def time_order(frame: pd.DataFrame, name: str, origin: str) -> NDArray[np.int64]:
    """Return the rows' numbers by the column `name`, rows of the same time as they came.

    Raises UserError where it has gaps and where it holds neither numbers nor dates.
    """
    _require_complete(frame, name, origin)
    values = frame[name]
    if is_date(values):
        values = days(values, name)
    elif not pd.api.types.is_numeric_dtype(values):
        raise UserError(
            f"{origin}: column {name!r}, row {values.index[0] + 1}: expected a number or a date as 2026-01-31 to order "
            f"rows by, got {values.iloc[0]!r}"
        )
    return np.argsort(values.to_numpy(), kind="stable")


def is_date(values: pd.Series) -> bool:
    """Return whether a column, which has a value, holds dates."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return True
    kind = type(values.dropna().iloc[0])
    return values.dtype == object and kind.__name__ in ("date", "datetime", "Timestamp")


def days(values: pd.Series, name: str) -> pd.Series:
    """Return dates as days since 1970. Raises UserError, with the row, for what is none."""
    dates = pd.to_datetime(values, errors="coerce", utc=True)
    if (lost := dates.isna() & values.notna()).any():
        at = int(np.flatnonzero(lost)[0])
        raise UserError(f"column {name!r}, row {values.index[at] + 1}: expected a date, got {values.iloc[at]!r}")
    return (dates - pd.Timestamp("1970-01-01", tz="UTC")) / DAY


def _require_complete(frame: pd.DataFrame, name: str, origin: str) -> None:
    require_column(frame, name, origin)
    gaps = frame[name].isna()
    if gaps.any():
        raise UserError(
            f"{origin}: column {name!r} is missing in {gaps.sum():,} of {len(frame):,} rows, first in row "
            f"{frame.index[int(gaps.argmax())] + 1}; rows cannot be divided by it: fill or drop those rows"
        )


def require_column(frame: pd.DataFrame, name: str, origin: str) -> None:
    """Raise UserError, with the nearest names, unless `frame` has the column `name`."""
    if name in frame.columns:
        return
    close = difflib.get_close_matches(name, map(str, frame.columns), n=3, cutoff=0.5)
    known = ", ".join(close or map(str, frame.columns[:10]))
    raise UserError(f"{origin}: has no column {name!r}; {'nearest' if close else 'its columns'}: {known}")


def require_finite(values: pd.Series, where: str) -> None:
    """Raise UserError, with the row, unless all `values` are finite numbers, of no more than LARGEST either way.

    Their index counts the table's rows.
    """
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        bad = pd.to_numeric(values, errors="coerce").isna().to_numpy()
        at = int(bad.argmax())
        raise UserError(
            f"{where}, row {values.index[at] + 1}: expected a number, got {values.iloc[at]!r}; leave the column out or "
            "encode it"
        )
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise UserError(
            f"{where}: expected finite numbers, got {bad.sum()} missing or infinite ones, first in row "
            f"{values.index[int(bad.argmax())] + 1}; fill or drop those rows"
        )
    large = np.abs(numbers) > LARGEST
    if large.any():
        at = int(large.argmax())
        raise UserError(
            f"{where}, row {values.index[at] + 1}: {numbers[at]:g} is too large to compute with, expected at most "
            f"{LARGEST:g}; correct it, or take another unit"
        )
