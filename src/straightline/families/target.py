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
    """The column to predict, the name of its family, and the classes with the labels 0, 1, and so on, or None.

    `offset` is a column that is added to the linear predictor, `exposure` one whose logarithm is added to it, or None.
    """

    column: str
    family: Annotated[str, AfterValidator(_known)]
    classes: list[Any] | None = None
    offset: str | None = None
    exposure: str | None = None

    @property
    def offset_columns(self) -> list[str]:
        """The columns that the offset is computed from."""
        return [name for name in (self.offset, self.exposure) if name is not None]
