"""Check that a column holds numbers that can be computed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from straightline.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e60  # The square of a product of two such numbers is still finite.


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
