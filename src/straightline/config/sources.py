"""The settings of a table: the article's, an example, or a user's file, and how its rows are divided."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

STRICT = ConfigDict(extra="forbid", strict=True)
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Balloons:
    """The article's simulated table. `partnered_children` is the coefficient of children for partnered people."""

    source: Literal["balloons"]
    path: str
    rows: int = Field(ge=100, le=100_000_000)
    seed: Seed
    held_out: Share
    standardize: bool
    partnered_children: float = Field(allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Table:
    """A user's file. `features: null` takes every column that is not a target.

    Columns in `exclude` are left out. Columns in `categorical` are categories even if they hold numbers. Rows with the
    same value in the column `groups` stay together. With `split: time` earlier rows are trained on and later rows are
    scored. The column `time` gives the order; if it is None, the order is that of the file. If `delimiter` or `decimal`
    (the decimal mark) is None, it is detected in the CSV file. Cells that equal an entry of `missing` are gaps.
    `sheet` is the name of a spreadsheet's sheet; if it is None, the only sheet with a table is read. `dayfirst` says
    whether 3/4 is the third of April; if it is None, the column has to show it. `dates` says what of a date is a
    feature. `weights` is a column of weights, which are frequencies or sampling weights; if `weights_are` is None,
    whole numbers are frequencies. `memory`, such as "2GB", is what sorting and counting the rows of a large table may
    take; None is a quarter of the machine's memory.
    """

    source: Literal["table"]
    path: str
    target: str
    features: list[str] | None
    exclude: list[str]
    categorical: list[str]
    groups: str | None
    split: Literal["chance", "time"]
    time: str | None
    delimiter: str | None
    decimal: Literal[".", ","] | None
    seed: Seed
    held_out: Share
    standardize: bool
    missing: list[str] = field(default_factory=list)
    dayfirst: bool | None = None
    dates: Annotated[list[Literal["days", "year", "month", "weekday"]], Field(min_length=1)] = field(
        default_factory=lambda: ["days"]
    )
    sheet: str | None = None
    weights: str | None = None
    weights_are: Literal["frequency", "sampling"] | None = None
    memory: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?[KMGT]i?B$")] | None = None

    @field_validator("features", "exclude", "categorical")
    @classmethod
    def _each_once(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) < len(names):
            raise PydanticCustomError("names", "each column once")
        return names

    @field_validator("weights_are")
    @classmethod
    def _of_weights(cls, kind: str | None, info: ValidationInfo) -> str | None:
        if kind is not None and info.data.get("weights") is None:
            raise PydanticCustomError("weights_are", "null unless data.weights names a column")
        return kind

    @field_validator("time")
    @classmethod
    def _for_time_only(cls, time: str | None, info: ValidationInfo) -> str | None:
        if time is not None and info.data.get("split") == "chance":
            raise PydanticCustomError("time", "null unless data.split is time")
        return time

    @field_validator("split")
    @classmethod
    def _not_with_groups(cls, split: str, info: ValidationInfo) -> str:
        if split == "time" and info.data.get("groups") is not None:
            raise PydanticCustomError("split", "chance if data.groups is set")
        return split


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Example:
    """An example table of scikit-learn, or of a file in this package (`data/tables`).

    `path` is the file whose changes make DVC read the table again.
    """

    source: Literal["scikit_learn", "package"]
    name: Literal["breast_cancer", "diabetes", "fish", "injuries", "iris"]
    path: str
    seed: Seed
    held_out: Share
    standardize: bool
