"""Check that a column holds numbers that can be computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from straightline.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e60  # The square of a product of two such numbers is still finite.
LARGEST_TARGET, SMALLEST_TARGET = 1e30, 1e-30  # Networks predict in float32, which ends near 1e38 and 1e-38.


def require_finite(values: pd.Series, where: str) -> None:
    """Raise UserError, with the row, unless all `values` are finite numbers between -LARGEST and LARGEST.

    The index of `values` holds the row numbers of the table, from 0.
    """
    import pandas as pd

    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        bad = pd.to_numeric(values, errors="coerce").isna().to_numpy()
        at = int(bad.argmax())
        raise UserError(
            f"{where}, row {values.index[at] + 1}: expected a number, got {values.iloc[at]!r}; leave the column out or "
            "encode it"
        )
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        raise UserError(
            f"{where}: expected finite numbers, got {bad.sum()} missing or infinite ones, first in row "
            f"{values.index[int(bad.argmax())] + 1}; fill or drop those rows"
        )
    large = np.abs(numbers) > LARGEST
    if large.any():
        at = int(large.argmax())
        raise UserError(
            f"{where}, row {values.index[at] + 1}: {numbers[at]:g} is too large to compute with, expected at most "
            f"{LARGEST:g}; correct it, or take another unit"
        )


def require_scale(values: pd.Series, where: str) -> None:
    """Raise UserError if the largest of all `values` is too large or too small for a network to predict."""
    largest = float(np.abs(values.to_numpy(np.float64)).max())
    if not SMALLEST_TARGET <= largest <= LARGEST_TARGET:
        raise UserError(
            f"{where}: its largest number is {largest:g}, expected one from {SMALLEST_TARGET:g} to {LARGEST_TARGET:g}; "
            "take another unit"
        )


def refuse_reference(reference: str | None, family: str, where: str) -> None:
    """Raise UserError if a class is named for a target that has none."""
    if reference is not None:
        raise UserError(
            f"{where}: has no classes with family: {family}, so that there is no class {reference!r} to refer to; "
            "leave --reference out, or set family: multinomial"
        )


def first_row(is_bad: pd.Series) -> str:
    """Return where the first true value is, for an error. The index of `is_bad` holds the row numbers, from 0."""
    return f"row {is_bad.index[int(is_bad.to_numpy().argmax())] + 1}"
