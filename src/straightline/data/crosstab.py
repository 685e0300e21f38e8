"""Cross-tables: tables of counts, whose rows differ in the target only and stand for many cases each."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_CASES = 250_000  # More cases stay rows with weights, since a row for each would take too much memory.
SHARED = 0.5  # The share of the rows that have the values of another row, from which a table counts as a cross-table.


def is_crosstab(features: pd.DataFrame) -> bool:
    """Return whether most rows have the same values in all columns as another row."""
    return len(features) > 0 and bool(features.duplicated(keep=False).mean() >= SHARED)


def case_rows(counts: NDArray) -> NDArray[np.int32] | None:
    """Return the number of the row of each case, ascending, or None if there are more than MOST_CASES cases.

    `counts` `(rows,)` are whole numbers above 0: how many cases each row stands for.
    """
    if counts.sum() > MOST_CASES:
        return None
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts.astype(np.int64))
