"""A target as it was found in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """The column to predict: the name of its family, and the values that its labels stand for, if they do."""

    column: str
    family: str
    classes: list[Any] | None = None
