"""Which rows of a large table are held out: by chances of rows or groups, or the last ones in order of time."""

import numpy as np
from numpy.typing import NDArray

from straightline.check import Check
from straightline.config.sources import Table
from straightline.data.chance import chances
from straightline.errors import UserError

HELD_OUT = 250_000  # So many held-out rows are enough for scores, and fit into memory.
# The stream of chances by which rows are held out. It must not be that of folds, or groups that stay would miss folds.
HELD_OUT_CHANCES = 0x68656C64


def held_out_rows(
    settings: Table, rows: int, groups: NDArray | None, ordered: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[Check]]:
    """Return which rows are held out, which are trained on, and a check if fewer are held out than was asked for."""
    keys = np.arange(rows) if groups is None else groups
    drawn = chances(keys, settings.seed, HELD_OUT_CHANCES)
    share = min(settings.held_out, HELD_OUT / rows)
    if not ordered:
        is_test = drawn < (share if groups is None else _limit_of_groups(groups, drawn, share))
        is_train = ~is_test
    else:
        aside = round(settings.held_out * rows)
        is_train = np.arange(rows) < rows - aside
        is_test = ~is_train & (drawn < HELD_OUT / max(aside, 1))
    if share == settings.held_out:
        return is_test, is_train, []
    message = f"{is_test.sum():,} rows are held out instead of {settings.held_out:.0%}, which are enough for scores"
    return is_test, is_train, [Check("held-out", message)]


def _limit_of_groups(groups: NDArray, drawn: NDArray, share: float) -> float:
    """Return the chance below which a `share` of the groups is held out: one at least, but not all.

    Raises UserError if all rows are of one group.
    """
    if share == 0:
        return 0.0
    limits = np.sort(drawn[np.unique(groups, return_index=True)[1]])
    if len(limits) < 2:
        raise UserError(f"all {len(groups)} rows are of one group, which cannot be divided; choose another column")
    return float(limits[min(max(round(share * len(limits)), 1), len(limits) - 1)])
