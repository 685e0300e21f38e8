"""The result of the data stage: encodings of columns, targets, and the division of rows (data/schema.json)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from straightline.data.encoding import Feature
from straightline.families.target import Target
from straightline.runtime.artifacts import read_json
from straightline.runtime.contracts import Contract

DivisionKind = Literal["chance", "groups", "time"]


@dataclass(frozen=True)
class Division:
    """How rows are divided into training rows and scored rows, and by which column (None if there is none)."""

    by: DivisionKind
    column: str | None


@dataclass(frozen=True)
class RowCounts:
    """The number of training rows and the number of held-out rows."""

    train: int
    test: int


@dataclass(frozen=True)
class Schema(Contract):
    """The table as training sees it. `targets` maps keys of the settings to targets; `warnings` are sentences."""

    encoding: list[Feature]
    standardize: bool
    split: Division
    targets: dict[str, Target]
    rows: RowCounts
    warnings: list[str]

    @property
    def features(self) -> list[str]:
        """The names of the columns that models predict from."""
        return [feature.name for feature in self.encoding]


def read_schema(root: Path) -> Schema:
    """Return the schema in data/schema.json below `root`. Raises UserError if its content is not a valid schema."""
    path = root / "data/schema.json"
    return Schema.from_json(read_json(path), str(path))
