"""What rows carry besides features and labels: weights, and offsets of the linear predictor. Both are columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.data.columns import column, is_date
from straightline.data.crosstab import case_rows, is_crosstab
from straightline.data.schema import WeightKind
from straightline.errors import UserError
from straightline.families.numbers import first_row, require_finite
from straightline.families.target import Target

LARGEST_OFFSET = 100.0  # The exponential of a larger offset suggests that an amount was taken for a logarithm.


@dataclass(frozen=True)
class RowWeights:
    """The column of the weights and their kind, or None and None if rows have no weights, and what was seen.

    `written_out` says whether the rows were the cells of a cross-table, and are now its cases.
    """

    column: str | None = None
    kind: WeightKind | None = None
    checks: list[Check] = field(default_factory=list)
    written_out: bool = False


def checked_weights(
    frame: pd.DataFrame, name: str, kind: WeightKind | None, origin: str
) -> tuple[NDArray[np.bool_], WeightKind, list[Check]]:
    """Return which rows of `frame` have a weight above 0 in the column `name`, the kind of the weights, and checks.

    Without a `kind`, whole numbers are taken as frequencies. Raises UserError for missing, infinite and negative
    weights, if all are 0, and for fractions that shall be frequencies.
    """
    where = f"{origin}: weights {name!r}"
    weights = _numbers(frame, name, where, origin)
    if (negative := weights < 0).any():
        raise UserError(
            f"{where}, {first_row(negative)}: {weights[negative].iloc[0]:g} is negative; expected 0 or more"
        )
    if not weights.any():
        raise UserError(f"{where}: all are 0; expected a weight above 0 in the rows that count")
    is_broken = weights % 1 != 0
    if kind == "frequency" and is_broken.any():
        raise UserError(
            f"{where}, {first_row(is_broken)}: {weights[is_broken].iloc[0]:g} is no whole number, which frequencies "
            "are; set --weights-are sampling"
        )
    found = []
    if kind is None:
        kind = "sampling" if is_broken.any() else "frequency"
        if kind == "sampling":
            found.append(Check("weights", "taken as sampling weights, since some are no whole numbers", (name,)))
        else:
            message = "taken as frequencies, as if a row stood there so many times"
            found.append(Check("weights", message, (name,), "set --weights-are sampling if they come from a survey"))
    if (weights == 0).any():
        found.append(Check("zero-weights", f"0 in {int((weights == 0).sum()):,} rows, left out", (name,)))
    return (weights > 0).to_numpy(), kind, found


def weighted(
    frame: pd.DataFrame, column: str, kind: WeightKind | None, features: Sequence[str] | None, origin: str
) -> tuple[pd.DataFrame, RowWeights]:
    """Return the rows of `frame` with a weight above 0 in `column`, and what their weights are.

    A cross-table gets a row for each of its cases instead of weights, so that folds and held-out rows divide cases and
    not cells. `features` are the columns to predict from; None says that the table is no cross-table. Raises the errors
    of `checked_weights`.
    """
    counts, kind, found = checked_weights(frame, column, kind, origin)
    frame = frame[counts]
    if (
        features is None
        or kind == "sampling"
        or not is_crosstab(frame[[name for name in features if name in frame.columns]])
    ):
        return frame, RowWeights(column, kind, found)
    rows = case_rows(frame[column].to_numpy())
    cells = "rows that differ in the target only are cells of a cross-table"
    if rows is None:
        message = (
            f"{cells}; {frame[column].sum():,.0f} cases are too many to get a row each, so that folds hold out whole "
            "cells, which makes the models look worse than they are"
        )
        too_many = Check("cross-table", message, (column,), "take a random part of the cases")
        return frame, RowWeights(column, kind, [*found, too_many])
    # The index still holds the numbers of the rows in the file, which errors name.
    written = f"{cells}, written out as a row for each of the {len(rows):,} cases"
    return frame.iloc[rows], RowWeights(None, None, [*found, Check("cross-table", written, (column,))], True)


def require_offset(frame: pd.DataFrame, target: Target, origin: str) -> None:
    """Raise UserError unless the offset and the exposure of `target` are columns that an offset can come from."""
    if target.exposure is not None:
        where = f"{origin}: exposure {target.exposure!r}"
        exposure = _numbers(frame, target.exposure, where, origin)
        if (bad := exposure <= 0).any():
            raise UserError(
                f"{where}, {first_row(bad)}: is {exposure[bad].iloc[0]:g}; expected more than 0 in every row: a row "
                "without exposure says nothing, leave it out"
            )
    if target.offset is not None:
        where = f"{origin}: offset {target.offset!r}"
        offset = _numbers(frame, target.offset, where, origin)
        if (large := offset.abs() > LARGEST_OFFSET).any():
            raise UserError(
                f"{where}, {first_row(large)}: {offset[large].iloc[0]:g} is too large to be added to a logarithm; "
                f"expected at most {LARGEST_OFFSET:g}: name the column --exposure if it is an amount"
            )


def offset_of(frame: pd.DataFrame, target: Target) -> NDArray | None:
    """Return what is added to the linear predictor of each row, float64 `(rows,)`, or None if there is nothing.

    That is the offset, plus the logarithm of the exposure.
    """
    parts = []
    if target.offset is not None:
        parts.append(frame[target.offset].to_numpy(np.float64))
    if target.exposure is not None:
        parts.append(np.log(frame[target.exposure].to_numpy(np.float64)))
    return np.sum(parts, axis=0) if parts else None


def new_offset(frame: pd.DataFrame, target: Target, origin: str) -> NDArray | None:
    """Return `offset_of` for new rows. Raises UserError if a column is absent, or no offset can come from it."""
    require_offset(frame, target, origin)
    return offset_of(frame, target)


def _numbers(frame: pd.DataFrame, name: str, where: str, origin: str) -> pd.Series:
    values = column(frame, name, origin)
    if values.notna().any() and is_date(values):
        raise UserError(f"{where}: has dates, expected numbers; name another column")
    if (is_word := pd.to_numeric(values, errors="coerce").isna() & values.notna()).any():
        raise UserError(
            f"{where}, {first_row(is_word)}: expected a number, got {values[is_word].iloc[0]!r}; correct it, or name "
            "another column"
        )
    require_finite(values, where)
    return values.astype(np.float64)
