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
        values = frame[name]
        if notation.is_text(values):
            try:
                way = notation.found(values, decimal, day_first, missing)
                columns[name] = _words(values, missing) if way is None else notation.parsed(values, way, name)
            except AmbiguousDatesError as error:
                problems.append(f"column {name!r}: {error}")
                continue
            checks += _checks(name, values, columns[name], way, missing)
            notations |= {} if way is None else {name: way}
        elif missing and pd.api.types.is_numeric_dtype(values):
            columns[name] = notation.without_missing(values, missing)
            notations[name] = Notation(missing=tuple(missing))
            if count := int(columns[name].isna().sum() - values.isna().sum()):
                message = f"{', '.join(missing)} in {count:,} rows, taken as missing"
                checks.append(Check("gaps", message, (name,)))
    return Understood(frame.assign(**columns), notations, checks, problems)


def _words(values: pd.Series, missing: Sequence[str]) -> pd.Series:
    cells = values.astype("string").str.strip()
    return values.mask(((cells == "") | cells.isin(missing)).fillna(False).astype(bool))


def _checks(
    name: str, values: pd.Series, result: pd.Series, way: Notation | None, missing: Sequence[str]
) -> list[Check]:
    gaps = notation.gaps(values, missing)
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
