"""Convert the targets, groups and time order of a table into numbers. Errors name the column and the row."""

import difflib
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.config.settings import Target as TargetSettings
from straightline.errors import UserError
from straightline.families import FAMILIES, family_for
from straightline.families.target import Target

DAY = pd.Timedelta(days=1)


def encode_target(frame: pd.DataFrame, settings: TargetSettings, origin: str) -> tuple[pd.Series, Target]:
    """Return the column of a target as numbers, and the target with its family and classes.

    Raises UserError if the column is absent, has missing values, is constant, or does not suit its family, and for an
    offset that the family cannot have.
    """
    values = column(frame, settings.column, origin)
    where = f"{origin}: target {settings.column!r}"
    if values.isna().any():
        raise UserError(f"{where} is missing in {values.isna().sum()} of {len(values)} rows; fill or drop those rows")
    if values.nunique() < 2:
        raise UserError(f"{where} is {values.tolist()[0]!r} in every row; there is nothing to predict")
    if is_date(values):
        raise UserError(f"{where} has dates, expected numbers or classes; make a column of days or of years")
    family = family_for(values, settings.family)
    target = Target(settings.column, family.name, None, settings.offset, settings.exposure)
    if target.offset_columns and not family.has_offset:
        able = " and ".join(name for name, each in FAMILIES.items() if each.has_offset)
        raise UserError(
            f"{where} has family: {family.name}, which takes no offset or exposure; expected them for {able} only: set "
            f"--family, or leave {' and '.join(target.offset_columns)} out"
        )
    labels, classes = family.labels(values, where, settings.reference)
    return labels, replace(target, classes=classes)


def group_numbers(frame: pd.DataFrame, name: str, origin: str) -> NDArray[np.int64]:
    """Return a group number for each row: rows with the same value in the column `name` have the same number.

    Raises UserError if the column has missing values.
    """
    _require_complete(frame, name, origin)
    return pd.factorize(frame[name])[0]


def time_order(frame: pd.DataFrame, name: str, origin: str) -> NDArray[np.int64]:
    """Return the positions of the rows in the order of the column `name`. Rows of the same time keep their order.

    Raises UserError if the column has missing values, or holds neither numbers nor dates.
    """
    _require_complete(frame, name, origin)
    values = frame[name]
    if is_date(values):
        values = days(values, name)
    elif not pd.api.types.is_numeric_dtype(values):
        raise UserError(
            f"{origin}: column {name!r}, row {values.index[0] + 1}: expected a number or a date such as 2026-01-31 to "
            f"order rows by, got {values.iloc[0]!r}"
        )
    return np.argsort(values.to_numpy(), kind="stable")


def is_date(values: pd.Series) -> bool:
    """Return whether a column holds dates. At least one of its values must be present."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return True
    kind = type(values.dropna().iloc[0])
    return values.dtype == object and kind.__name__ in ("date", "datetime", "Timestamp")


def days(values: pd.Series, name: str) -> pd.Series:
    """Return dates as days since 1970-01-01. Raises UserError, with the row, for a value that is not a date."""
    try:
        dates = pd.to_datetime(values.where(_may_be_dates(values)), errors="coerce", utc=True)
        since = (dates - pd.Timestamp("1970-01-01", tz="UTC")) / DAY
    except ValueError as error:  # pandas raises it for stamps millions of years away.
        raise UserError(f"column {name!r}: has dates that cannot be computed with ({error}); correct them") from None
    if (invalid := dates.isna() & values.notna()).any():
        at = int(np.flatnonzero(invalid)[0])
        raise UserError(f"column {name!r}, row {values.index[at] + 1}: expected a date, got {values.iloc[at]!r}")
    return since


def part_of_dates(since: pd.Series, part: str) -> pd.Series:
    """Return the `year` as a number, or the `month` or `weekday` as words, of days since 1970-01-01; gaps stay gaps."""
    dates = pd.Series(pd.to_datetime(since, unit="D"), since.index)
    if part == "year":
        return dates.dt.year.astype(np.float64)
    return dates.dt.month_name() if part == "month" else dates.dt.day_name()


def _may_be_dates(values: pd.Series) -> pd.Series:
    """Return which values may be dates. pandas also takes numbers (as nanoseconds), `now`, and 3/4 (month first)."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.notna()
    is_iso = values.astype("string").str.match(r"\s*\d{4}-\d{1,2}-\d{1,2}").fillna(False).astype(bool)
    return is_iso & ~pd.Series(pd.api.types.is_numeric_dtype(values), values.index)


def _require_complete(frame: pd.DataFrame, name: str, origin: str) -> None:
    gaps = column(frame, name, origin).isna()
    if gaps.any():
        raise UserError(
            f"{origin}: column {name!r} is missing in {gaps.sum():,} of {len(frame):,} rows, first in row "
            f"{frame.index[int(gaps.argmax())] + 1}; rows cannot be divided by it: fill or drop those rows"
        )


def column(frame: pd.DataFrame, name: str, origin: str) -> pd.Series:
    """Return the column `name`. Raises UserError if it is absent, or has values of a type that no model takes."""
    require_column(frame, name, origin)
    values = frame[name]
    if isinstance(values.dtype, pd.ArrowDtype):  # The reader leaves such columns as Parquet has them.
        kind = str(values.dtype.pyarrow_dtype)
        raise UserError(
            f"{origin}: column {name!r}: expected numbers, words, dates or true and false, got the Parquet type "
            f"{kind}; exclude it, or write it in another type"
        )
    return values


def require_column(frame: pd.DataFrame, name: str, origin: str) -> None:
    """Raise UserError, with the most similar names, unless `frame` has the column `name`."""
    if name in frame.columns:
        return
    close = difflib.get_close_matches(name, map(str, frame.columns), n=3, cutoff=0.5)
    known = ", ".join(close or map(str, frame.columns[:10]))
    raise UserError(f"{origin}: has no column {name!r}; {'nearest' if close else 'its columns'}: {known}")
