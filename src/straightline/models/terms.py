"""The terms of a regression that bends: the columns, their squares, and the products of any two."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError

COLUMNS = 100  # at most, which have 5,150 terms


def pairs(columns: int) -> NDArray[np.int64]:
    """Return the numbers of two columns for each square and product, `(columns * (columns + 1) / 2, 2)`.

    Raises UserError where they would be too many.
    """
    if columns > COLUMNS:
        raise UserError(f"terms: quadratic has too many for {columns} columns; expected at most {COLUMNS}: choose some")
    return np.column_stack(np.triu_indices(columns))


def names(columns: Sequence[str]) -> list[str]:
    """Return what the terms are called: `age`, `age^2`, `age*children`."""
    both = [(columns[one], columns[other]) for one, other in pairs(len(columns))]
    return [*columns, *(f"{one}^2" if one == other else f"{one}*{other}" for one, other in both)]


def values(features: NDArray) -> NDArray:
    """Return the terms `(rows, terms)` of `features` `(rows, columns)`."""
    left, right = pairs(features.shape[1]).T
    return np.hstack([features, features[:, left] * features[:, right]])
