"""The result of the data stage: encodings of columns, targets, and the division of rows (data/schema.json)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from straightline.check import Check
from straightline.data.chance import LARGE_ROWS
from straightline.data.notation import Notation
from straightline.families.target import Target
from straightline.runtime.artifacts import read_json
from straightline.runtime.contracts import Contract

OTHER = "(other)"  # the level that unknown and rare words of a category have
DatePart = Literal["year", "month", "weekday"]
DateFeature = Literal["days"] | DatePart
WeightKind = Literal["frequency", "sampling"]
DivisionKind = Literal["chance", "groups", "time"]


@dataclass(frozen=True)
class Feature:
    """How a column is encoded as numbers.

    A `number` is used as it is, a `date` as days since 1970-01-01. If `fill` is not None, it replaces missing values,
    and a second column is 1 in these rows and 0 in all others. A `category` gives a column of 0 and 1 for each of its
    `levels` except the `reference`. With `other`, one more column is 1 for rare and unknown words; without it, they
    are encoded as the reference. `written` says how people wrote the numbers or dates, or is None if the file has them
    as such. `truth` says that a `number` is 1 for true and 0 for false. A feature with a `part` is the year, the month
    or the weekday of the dates in the column `of`.
    """

    name: str
    kind: Literal["number", "date", "category"]
    fill: float | None = None
    levels: tuple[str, ...] = ()
    reference: str | None = None
    other: bool = False
    written: Notation | None = None
    truth: bool = False
    of: str | None = None
    part: DatePart | None = None

    @property
    def column(self) -> str:
        """The name of the column of the table."""
        return self.of or self.name

    @property
    def terms(self) -> list[str]:
        """The names of the encoded columns."""
        if self.kind == "category":
            levels = [*([OTHER] if self.other else []), *self.levels]
            return [f"{self.name}[{level}]" for level in levels if level != self.reference]
        return [self.name] if self.fill is None else [self.name, f"{self.name}[missing]"]


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
    """The table as training sees it. `targets` maps keys of the settings to targets; `checks` say what was seen in it.

    `weights` is the column of the weights of the rows, or None, and `weights_are` their kind. `offsets` are the columns
    of the offsets and exposures of the targets.
    """

    encoding: list[Feature]
    standardize: bool
    split: Division
    targets: dict[str, Target]
    rows: RowCounts
    checks: list[Check]
    weights: str | None = None
    weights_are: WeightKind | None = None
    offsets: list[Feature] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """The checks as sentences."""
        return list(map(str, self.checks))

    @property
    def is_large(self) -> bool:
        """Whether the table is read in passes: whether it has more than LARGE_ROWS rows, held-out ones included."""
        return self.rows.train + self.rows.test > LARGE_ROWS

    @property
    def features(self) -> list[str]:
        """The names of the columns that models predict from."""
        return list(dict.fromkeys(feature.column for feature in self.encoding))

    def digest(self, target: str) -> str:
        """Return a SHA-256 over the encoding and the target with the key `target`, which a model of it depends on."""
        values = self.to_json()
        content = json.dumps([values["encoding"], values["targets"][target]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def references(features: Sequence[Feature]) -> list[str]:
    """Return the reference level of each category, such as `color[red]`."""
    return [f"{feature.name}[{feature.reference}]" for feature in features if feature.kind == "category"]


def read_schema(root: Path) -> Schema:
    """Return the schema in data/schema.json below `root`. Raises UserError if its content is not a valid schema."""
    path = root / "data/schema.json"
    return Schema.from_json(read_json(path), str(path))
