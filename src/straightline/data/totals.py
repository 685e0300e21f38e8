"""Find a last row that sums up the rows above it, which is no row of the table."""

import re
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

NAME = re.compile(r"\s*(grand |sub)?(totals?|sum|all|gesamt|summe|insgesamt|somme|suma|totale?)\b[\s:]*", re.IGNORECASE)
FEWEST = 4  # rows above it; of fewer, one may be the sum of the others by chance


def total_row(frame: pd.DataFrame) -> list[str]:
    """Return the problem that the last row of a table is the total of the others, or nothing.

    It is one if it says so, or has no word at all, and if one of its numbers is the sum of those above.
    """
    if len(frame) <= FEWEST:
        return []
    numbers = frame.select_dtypes("number")
    if not names_total(frame.drop(columns=numbers.columns).iloc[-1]):
        return []
    sums = [name for name, values in numbers.items() if is_sum(values)]
    return total_problem(sums, frame.index[-1])


def names_total(words: pd.Series) -> bool:
    """Return whether the cells of a last row that are no numbers are blank, or name a total; there is at least one."""
    return len(words) > 0 and all(NAME.fullmatch(str(word)) for word in words if not pd.isna(word))


def total_problem(sums: Sequence[Hashable], row: int) -> list[str]:
    """Return the problem that row number `row`, from 0, has the sums of the columns `sums`, or nothing without any."""
    return [f"row {row + 1}, the last one, is the sum of the rows above in {sums[0]!r}; remove it"] if sums else []


def is_sum(column: pd.Series) -> bool:
    """Return whether the last number of a column is the sum of those above."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    above = values[:-1][np.isfinite(values[:-1])]
    is_near = abs(values[-1] - above.sum()) <= 1e-9 * np.abs(above).sum()
    return bool(is_near and np.count_nonzero(above) >= FEWEST)
