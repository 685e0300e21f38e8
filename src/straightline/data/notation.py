"""Numbers and dates as people write them: 23%, $1,200, (1.200,50), 28.07.2023, and the marks that stand for a gap."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from straightline.errors import UserError

# Marks of a gap, if the other cells are numbers or dates.
MARKS = frozenset(["?", "-", "--", "–", "—", ".", "n/a", "#n/a", "na", "nan", "null", "none", "missing"])
CURRENCIES = "EUR|USD|GBP|JPY|CHF|CAD|AUD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|NZD"
CELL = re.compile(
    rf"""(?P<open>\()? \s* (?P<sign>[-+−])? \s* (?P<before>\p|{CURRENCIES})? \s* (?P<late>[-+−])? \s*
    (?P<digits>[\d.,][\d.,'’_\s]*) (?P<power>[eE][-+]?\d+)? \s* (?P<after>[^\d\s.,'’()+-][^\d()]{{0,11}})?
    (?P<close>\))?
    """.replace(r"\p", "[€$£¥₹]"),
    re.VERBOSE,
)
NEGATIVE = ("-", "−")
# Of each order of day, month and year, the way to write it; strptime reads a month with or without a leading zero.
DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y"),
    *("%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d. %B %Y"),
)
MONTH_FIRST, DAY_FIRST = (
    tuple(order.replace("/", mark) for order in orders for mark in "/-")
    for orders in (("%m/%d/%Y", "%m/%d/%y"), ("%d/%m/%Y", "%d/%m/%y"))
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M", "T%H:%M:%S")
SAMPLE = 40  # different cells that decide which ways of writing dates are tried on all cells


@dataclass(frozen=True)
class Notation:
    """How the numbers or the dates of a column are written.

    `unit` is what stands beside each number, `date` is the format of strptime. `missing` are marks of a gap that the
    user named, which may be numbers.
    """

    decimal: str = "."
    unit: str = ""
    date: str | None = None
    missing: tuple[str, ...] = ()


class AmbiguousDatesError(UserError):
    """Dates that may have the day or the month first."""


def is_text(values: pd.Series) -> bool:
    """Return whether a column holds text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return len(values.cat.categories) > 0
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) == "string"
    return pd.api.types.is_string_dtype(values.dtype) and not values.isna().all()


def found(values: pd.Series, decimal: str, day_first: bool | None, missing: Sequence[str]) -> Notation | None:
    """Return how the numbers or dates in a column of text are written, or None if it holds something else.

    `decimal` is the decimal mark of the file, which decides where 1,200 may be both. `day_first` decides where 3/4 may
    be both. Raises AmbiguousDatesError if it is None there.
    """
    cells = _present(values, missing)
    if cells.empty:
        return None
    for mark in (decimal, "," if decimal == "." else "."):
        unit = _common_unit(cells, mark)
        if unit is not None:
            return Notation(mark, unit, None, tuple(missing))
    date = _date_format(cells, day_first)
    return None if date is None else Notation(date=date, missing=tuple(missing))


def parsed(values: pd.Series, notation: Notation, name: str) -> pd.Series:
    """Return a column of text as numbers or as dates. Raises UserError, naming the row, for another notation."""
    cells = _present(values, notation.missing)
    read: list[Any]
    if notation.date is None:
        read = [_number(cell, notation.decimal, notation.unit) for cell in cells]
    else:
        read = pd.to_datetime(cells, format=notation.date, errors="coerce").tolist()
    by_cell = dict(zip(cells, read, strict=True))
    wrong = [cell for cell in cells if pd.isna(by_cell[cell])]
    if wrong:
        is_wrong = (values.astype("string").str.strip() == wrong[0]).fillna(False)
        row = values.index[int(np.flatnonzero(is_wrong)[0])] + 1
        raise UserError(f"column {name!r}, row {row}: expected {described(notation)}, got {wrong[0]!r}")
    result = values.astype("string").str.strip().map(by_cell)
    return result.astype(np.float64) if notation.date is None else pd.to_datetime(result)


def without_missing(values: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Return a column of numbers in which those that stand for a gap, such as -999, are missing."""
    numbers = [float(mark) for mark in missing if re.fullmatch(r"[-+]?\d+(\.\d*)?", mark)]
    return values.mask(values.isin(numbers)) if numbers and values.isin(numbers).any() else values


def described(notation: Notation) -> str:
    """Return in words what a cell has to look like."""
    if notation.date is not None:
        return f"a date like {pd.Timestamp(2026, 1, 31).strftime(notation.date)}"
    mark = " with a decimal comma" if notation.decimal == "," else ""
    return f"a number{mark}" + (f" and the unit {notation.unit}" if notation.unit else "")


def are_numbers(values: pd.Series) -> pd.Series:
    """Return for each present value of a column whether it is a number with the unit that most of them have."""
    present = values.dropna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        words = pd.Series(values.cat.categories, dtype="string").str.strip()
        units = words.map({word: _unit_of_number(word) for word in words.unique()}).take(present.cat.codes.to_numpy())
        units.index = present.index
    else:
        cells = present.astype("string").str.strip()
        units = cells.map({cell: _unit_of_number(cell) for cell in cells.unique()})
    counts = units.dropna().value_counts()
    return units == counts.index[0] if len(counts) else units.notna()


def _unit_of_number(cell: str) -> str | None:
    match = CELL.fullmatch(cell)
    is_number = match is not None and any(_number(cell, mark, None) is not None for mark in ".,")
    return _unit(match) if match is not None and is_number else None


def gaps(values: pd.Series, missing: Sequence[str], rows: pd.Series | None = None) -> dict[str, int]:
    """Return the marks of a gap in a column of text, and in how many rows each is.

    If `values` are the different cells of a column, `rows` says in how many rows each of them is.
    """
    cells = values.dropna().astype("string").str.strip()
    cells = cells[_is_mark(cells, missing)]
    if rows is None:
        counts = cells.value_counts()
    else:
        counts = rows[cells.index].groupby(cells, sort=False).sum().sort_values(ascending=False, kind="stable")
    return {str(mark): int(count) for mark, count in counts.items()}


def _present(values: pd.Series, missing: Sequence[str]) -> pd.Index:
    cells = pd.Series(values.dropna().astype("string").str.strip().unique(), dtype="string")
    return pd.Index(cells[~_is_mark(cells, missing)], dtype=object)


def _is_mark(cells: pd.Series, missing: Sequence[str]) -> pd.Series:
    return (cells == "") | cells.str.lower().isin(MARKS) | cells.isin(missing)


def _common_unit(cells: Iterable[str], decimal: str) -> str | None:
    """Return the unit of all cells, or None if a cell is no number or if units differ."""
    common = None
    for cell in cells:
        match = CELL.fullmatch(cell)
        if match is None or _number(cell, decimal, None) is None or common not in (None, _unit(match)):
            return None
        common = _unit(match)
    return common


def _unit(match: re.Match[str]) -> str:
    return " ".join(filter(None, (match["before"], (match["after"] or "").strip())))


def _number(cell: str, decimal: str, unit: str | None) -> float | None:
    """Return the number in a cell, or None. A `unit` of None allows any, and a number without its unit is allowed."""
    match = CELL.fullmatch(cell)
    if match is None or bool(match["open"]) != bool(match["close"]) or (match["sign"] and match["late"]):
        return None
    if unit is not None and _unit(match) not in ("", unit):
        return None
    digits = match["digits"].strip()
    if not _digits(decimal).fullmatch(digits):
        return None
    whole, _, fraction = digits.partition(decimal)
    value = float(re.sub(r"\D", "", whole) + "." + fraction + (match["power"] or ""))
    is_negative = bool(match["open"]) or (match["sign"] or match["late"]) in NEGATIVE
    return -value if is_negative else value


@cache
def _digits(decimal: str) -> re.Pattern[str]:
    mark = re.escape(decimal)
    groups = rf"\d{{1,3}}(?P<group>(?!{mark})[.,'’_\s])\d{{3}}(?:(?P=group)\d{{3}})*(?:{mark}\d*)?"
    return re.compile(rf"{groups}|\d+(?:{mark}\d*)?|{mark}\d+")


def _date_format(cells: pd.Index, day_first: bool | None) -> str | None:
    if not all(re.search(r"\d", cell) and re.search(r"[-/.\s]", cell) for cell in cells[:SAMPLE]):
        return None
    months, days, others = (
        [way + time for way in ways for time in TIMES if _reads(cells, way + time)]
        for ways in (MONTH_FIRST, DAY_FIRST, DATES)
    )
    if months and days and day_first is None:
        raise AmbiguousDatesError(
            f"{cells[0]!r} may have the day or the month first, and no other cell decides it; give --dayfirst or "
            "--no-dayfirst (data.dayfirst)"
        )
    found = (days + months if day_first else months + days) + others
    return found[0] if found else None


def _reads(cells: pd.Index, way: str) -> bool:
    return all(
        bool(pd.to_datetime(some, format=way, errors="coerce").notna().all()) for some in (cells[:SAMPLE], cells)
    )
