"""The levels or quantile bins of a column, for what is computed by bin."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BINS = 10

Columns = Mapping[str, NDArray]  # Columns `(rows,)` by name: float64 with NaN for missing values, or words as objects.


@dataclass(frozen=True, eq=False)
class Binned:
    """A column `values` `(rows,)`, and the number of the bin of each row, `(rows,)`, counted from 0."""

    values: NDArray
    numbers: NDArray[np.int64]

    @property
    def is_words(self) -> bool:
        """Whether the values are words."""
        return bool(self.values.dtype == object)

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        """Return a mask of the rows in each bin. The last bin holds missing values, if there are any."""
        return (self.numbers == number for number in range(self.numbers.max(initial=-1) + 1))


Bins = Mapping[str, Binned]  # columns by name


def binned(columns: Columns) -> Bins:
    """Divide each column into bins.

    Words, and numbers with few levels, have a bin for each level. Other numbers have quantile bins.
    """
    return {name: Binned(values, _numbers(values)) for name, values in columns.items()}


def _numbers(values: NDArray) -> NDArray[np.int64]:
    numbers, levels = pd.factorize(values, sort=True)
    if len(levels) > BINS and values.dtype != object:
        present = numbers >= 0
        inner = np.unique(np.quantile(values[present], np.linspace(0, 1, BINS + 1)[1:-1]))
        used, numbers[present] = np.unique(np.searchsorted(inner, values[present], side="right"), return_inverse=True)
        levels = levels[: len(used)]
    return np.asarray(np.where(numbers < 0, len(levels), numbers), np.int64)
