"""A target as the data stage read it from a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """The column to predict, the name of its family, and the classes with the labels 0 and 1, or None."""

    column: str
    family: str
    classes: list[Any] | None = None
