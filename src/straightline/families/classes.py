"""The classes of a target, and which of them is the reference."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def classes_of(values: pd.Series) -> list[Any]:
    """Return the distinct values of a column without gaps, in sorted order."""
    return in_order(values.unique().tolist())


def in_order(classes: Sequence[Any]) -> list[Any]:
    """Return the classes in sorted order, which no choice of a reference changes."""
    return sorted(classes, key=lambda value: (str(type(value)), value))


def sorted_numbers(labels: NDArray, classes: Sequence[Any]) -> NDArray:
    """Return for each label the place of its class in sorted order."""
    places = {value: place for place, value in enumerate(in_order(classes))}
    return np.array([places[value] for value in classes], np.int8)[labels.astype(np.int64)]


def reference_first(classes: Sequence[Any], reference: str, where: str) -> list[Any]:
    """Return `classes` with the one that reads `reference` first. Raises UserError, after `where`, if none does."""
    found = [value for value in classes if _text(value) == reference]
    if not found:
        texts = list(map(_text, classes))
        shown = difflib.get_close_matches(reference, texts, n=3, cutoff=0.5) or texts[:5]
        raise UserError(f"{where}: has no class {reference!r} to refer to; expected one such as {', '.join(shown)}")
    return [*found, *(value for value in classes if value not in found)]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
