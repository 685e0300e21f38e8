"""The share of the baseline's loss that a model saves."""

from __future__ import annotations

from typing import NamedTuple


class Gain(NamedTuple):
    """The gain of a model over the baseline: the share of the baseline's loss that it saves.

    `mean` is the gain itself. `low` and `high` are the ends of its interval with the two-sided `level`, such as 0.9;
    an end is None if it is unbounded. `margin` is the gain below which a difference does not matter.
    """

    mean: float
    low: float | None
    high: float | None
    level: float
    margin: float
