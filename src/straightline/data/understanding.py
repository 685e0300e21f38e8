"""Turn columns of text into the numbers and dates that people wrote in them, and say what was read how."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from straightline.check import Check
from straightline.config.settings import Config
from straightline.config.sources import Table
from straightline.data import notation
from straightline.data.notation import AmbiguousDatesError, Notation

ISO = "%Y-%m-%d"


@dataclass(frozen=True)
class Understood:
    """The table with numbers and dates in place of text, the notation of each such column, and what was seen."""

    frame: pd.DataFrame
    notations: dict[str, Notation]
    checks: list[Check]
    problems: list[str]


def understood(config: Config, frame: pd.DataFrame, names: Iterable[str], decimal: str) -> Understood:
    """Read the columns `names` of `frame`; `decimal` is the decimal mark of the file.

    Columns of words stay as they are, but for blank cells and the marks that the user named, which become gaps.
    """
    missing = config.data.missing if isinstance(config.data, Table) else []
    day_first = config.data.dayfirst if isinstance(config.data, Table) else None
    columns: dict[str, pd.Series] = {}
    notations: dict[str, Notation] = {}
    checks: list[Check] = []
    problems: list[str] = []
    for name in names:
        try:
            columns[name], way, found = understood_column(frame[name], name, decimal, day_first, missing)
        except AmbiguousDatesError as error:
            problems.append(f"column {name!r}: {error}")
            continue
        checks += found
        notations |= {} if way is None else {name: way}
    return Understood(frame.assign(**columns), notations, checks, problems)


def understood_column(
    values: pd.Series, name: str, decimal: str, day_first: bool | None, missing: Sequence[str]
) -> tuple[pd.Series, Notation | None, list[Check]]:
    """Return a column with numbers or dates in place of text, their notation, and what was seen.

    Words may be categories, so that each is looked at once. Raises UserError for a cell of another notation, and
    AmbiguousDatesError.
    """
    if notation.is_text(values):
        is_categories = isinstance(values.dtype, pd.CategoricalDtype)
        cells, rows = _different(values) if is_categories else (values, None)
        way = notation.found(cells, decimal, day_first, missing)
        read = without_gaps(cells, missing) if way is None else notation.parsed(cells, way, name)
        found = _checks(name, cells, read, way, missing, rows)
        return (_of_categories(values, read, way) if is_categories else read), way, found
    if not missing or not pd.api.types.is_numeric_dtype(values):
        return values, None, []
    read, found = notation.without_missing(values, missing), []
    if count := int(read.isna().sum() - values.isna().sum()):
        found = [Check("gaps", f"{', '.join(missing)} in {count:,} rows, taken as missing", (name,))]
    return read, Notation(missing=tuple(missing)), found


def _different(values: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the categories of a column by the number of their first row, and in how many rows each is."""
    codes = values.cat.codes.to_numpy()
    present = np.flatnonzero(codes >= 0)
    used, first, counts = np.unique(codes[present], return_index=True, return_counts=True)
    order = np.argsort(first)
    index = values.index[present[first[order]]]
    words = values.cat.categories.take(used[order]).to_numpy(object)
    return pd.Series(words, index, dtype="str"), pd.Series(counts[order], index)


def _of_categories(values: pd.Series, read: pd.Series, way: Notation | None) -> pd.Series:
    """Return for each row what its category was read as; `read` is by the first row of each."""
    codes = values.cat.codes.to_numpy()
    places = np.full(len(values.cat.categories) + 1, -1)
    places[values.cat.codes[read.index]] = np.arange(len(read))
    if way is not None:
        return read.reset_index(drop=True).reindex(places[codes]).set_axis(values.index)
    is_kept = read.notna().to_numpy()
    numbers = np.append(np.where(is_kept, np.cumsum(is_kept) - 1, -1), -1)
    return pd.Series(pd.Categorical.from_codes(numbers[places[codes]], pd.Index(read[is_kept])), values.index)


def without_gaps(values: pd.Series, missing: Sequence[str]) -> pd.Series:
    """Return a column of words in which blank cells, and the marks that the user named, are missing."""
    cells = values.astype("string").str.strip()
    return values.mask(((cells == "") | cells.isin(missing)).fillna(False).astype(bool))


def _checks(
    name: str,
    values: pd.Series,
    result: pd.Series,
    way: Notation | None,
    missing: Sequence[str],
    rows: pd.Series | None,
) -> list[Check]:
    gaps = notation.gaps(values, missing, rows)
    if way is None:  # Blank cells and the marks that the user named are gaps between words too.
        gaps = {mark: count for mark, count in gaps.items() if mark and mark not in missing}
    shown = ", ".join(f"{mark!r} in {count:,} rows" for mark, count in gaps.items())
    if way is None:
        advice = "name it in --missing if it stands for a gap"
        return [Check("word-or-gap", f"{shown}, taken as a word", (name,), advice)] if gaps else []
    found = [Check("gaps", f"{shown}, taken as missing", (name,))] if gaps else []
    for at in np.flatnonzero(result.notna()):
        cell = str(values.iloc[at]).strip()
        if way.date is not None and way.date.startswith(ISO):
            return found
        if way.date is not None:
            return [*found, Check("dates", f"dates, {cell} is {result.iloc[at]:%Y-%m-%d}", (name,))]
        if pd.isna(pd.to_numeric(cell, errors="coerce")):
            unit = f"{way.unit} removed, " if way.unit else "read as numbers, "
            return [*found, Check("notation", f"{unit}{cell} is {result.iloc[at]:.12g}", (name,))]
    return found
