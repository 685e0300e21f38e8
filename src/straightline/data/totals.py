"""Find a last row that sums up the rows above it, which is no row of the table."""

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NAME = re.compile(r"\s*(grand |sub)?(totals?|sum|all|gesamt|summe|insgesamt|somme|suma|totale?)\b[\s:]*", re.IGNORECASE)
FEWEST = 4  # rows above it; of fewer, one may be the sum of the others by chance


def total_row(frame: pd.DataFrame) -> list[str]:
    """Return the problem that the last row of a table is the total of the others, or nothing.

    It is one if it says so, or has no word at all, and if one of its numbers is the sum of those above.
    """
    if len(frame) <= FEWEST:
        return []
    numbers = frame.select_dtypes("number")
    words = [value for value in frame.drop(columns=numbers.columns).iloc[-1] if not pd.isna(value)]
    if len(numbers.columns) == len(frame.columns) or not all(NAME.fullmatch(str(word)) for word in words):
        return []
    sums = [name for name, values in numbers.items() if _is_sum(values.to_numpy(np.float64, na_value=np.nan))]
    if not sums:
        return []
    return [f"row {frame.index[-1] + 1}, the last one, is the sum of the rows above in {sums[0]!r}; remove it"]


def _is_sum(values: NDArray[np.float64]) -> bool:
    above = values[:-1][np.isfinite(values[:-1])]
    is_near = abs(values[-1] - above.sum()) <= 1e-9 * np.abs(above).sum()
    return bool(is_near and np.count_nonzero(above) >= FEWEST)
