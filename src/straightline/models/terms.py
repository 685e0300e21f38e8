"""The terms of a quadratic regression: the columns, their squares, and the products of any two columns."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError

MAX_COLUMNS = 100  # They have 5,150 terms.


def pairs(columns: int) -> NDArray[np.int64]:
    """Return the indices of the two columns of each square and product, `(columns * (columns + 1) / 2, 2)`.

    Raises UserError for more than MAX_COLUMNS columns.
    """
    if columns > MAX_COLUMNS:
        raise UserError(
            f"terms: quadratic makes too many terms from {columns} columns; expected at most {MAX_COLUMNS}: choose "
            "fewer columns"
        )
    return np.column_stack(np.triu_indices(columns))


def names(columns: Sequence[str]) -> list[str]:
    """Return the names of the terms, such as `age`, `age^2` and `age*children`."""
    factors = [(columns[left], columns[right]) for left, right in pairs(len(columns))]
    return [*columns, *(f"{left}^2" if left == right else f"{left}*{right}" for left, right in factors)]


def values(features: NDArray) -> NDArray:
    """Return the terms `(rows, terms)` of `features` `(rows, columns)`."""
    left, right = pairs(features.shape[1]).T
    return np.hstack([features, features[:, left] * features[:, right]])
