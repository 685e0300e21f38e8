"""Columns of a table from Python's values, as spreadsheets and JSON give them: the types that a CSV file would give."""

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

WHOLE = 2**53  # Floats up to this number hold every whole number.


def frame(names: Sequence[str], columns: Sequence[list[Any]], rows: int) -> pd.DataFrame:
    """Return a table of `rows` rows from the values of its columns; None is a gap. Names may be repeated."""
    table = pd.DataFrame({number: _column(values) for number, values in enumerate(columns)}, pd.RangeIndex(rows))
    table.columns = pd.Index(list(names), dtype=object)
    return table


def _column(values: list[Any]) -> pd.Series:
    """Return numbers, dates, true and false, or words; values of several kinds become the words that stand for them."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pd.Series(np.nan, range(len(values)))
    if kinds <= {int, float}:
        return _numbers(values)
    if kinds == {bool}:
        return pd.Series(values, dtype=object if None in values else bool)
    if kinds <= {datetime.date, datetime.datetime}:
        return pd.Series(pd.to_datetime(pd.Series(values, dtype=object)))
    return pd.Series([None if value is None else in_words(value) for value in values], dtype="str")


def _numbers(values: list[Any]) -> pd.Series:
    numbers = np.array([np.nan if value is None else _float(value) for value in values])
    is_whole = np.isfinite(numbers).all() and bool((numbers == np.floor(numbers)).all())
    return pd.Series(numbers.astype(np.int64) if is_whole and np.abs(numbers).max() < WHOLE else numbers)


def _float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def in_words(value: Any) -> str:
    """Return a value as it would stand in a CSV file: without a decimal point if it is whole, dates as 2026-01-31."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < WHOLE else repr(value)
    if isinstance(value, datetime.datetime):
        has_time = value.time() != datetime.time()
        return value.isoformat(" ") if has_time else value.date().isoformat()
    return str(value)
