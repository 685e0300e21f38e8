"""What the data stage found: how columns become numbers, the targets, and how rows are divided (data/schema.json)."""

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
    """How rows are divided into training and scored ones, and the column that this goes by, if there is one."""

    by: DivisionKind
    column: str | None


@dataclass(frozen=True)
class RowCounts:
    """The number of training rows, and of rows held out."""

    train: int
    test: int


@dataclass(frozen=True)
class Schema(Contract):
    """The table as training sees it; `targets` are by their key in the settings, `warnings` are sentences."""

    encoding: list[Feature]
    standardize: bool
    split: Division
    targets: dict[str, Target]
    rows: RowCounts
    warnings: list[str]

    @property
    def features(self) -> list[str]:
        """The names of the columns to predict from."""
        return [feature.name for feature in self.encoding]


def read_schema(root: Path) -> Schema:
    """Return data/schema.json below `root`. Raises UserError where it is no such file."""
    path = root / "data/schema.json"
    return Schema.from_json(read_json(path), str(path))
