"""The classes of a target, and which of them is the reference."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from straightline.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def classes_of(values: pd.Series) -> list[Any]:
    """Return the distinct values of a column without gaps, in sorted order."""
    return sorted(values.unique().tolist(), key=lambda value: (str(type(value)), value))


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
