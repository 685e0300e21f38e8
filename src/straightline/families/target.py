"""A target as the data stage read it from a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator


def _known(name: str) -> str:
    from straightline.families import FAMILIES

    if name not in FAMILIES:
        raise ValueError(f"expected the family {' or '.join(FAMILIES)}, got {name}")
    return name


@dataclass(frozen=True)
class Target:
    """The column to predict, the name of its family, and the classes with the labels 0 and 1, or None."""

    column: str
    family: Annotated[str, AfterValidator(_known)]
    classes: list[Any] | None = None
