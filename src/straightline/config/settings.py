"""The settings of a pipeline. They are frozen, typed, and checked before anything else happens."""

import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from straightline.config.explanation import explain, refuse_target
from straightline.errors import UserError
from straightline.families import AUTO, FAMILIES
from straightline.models import Model

STRICT = ConfigDict(extra="forbid", strict=True)
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]
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
    whole numbers are frequencies.
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


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Target:
    """A column to predict. With `family: auto` the data stage chooses the family.

    `reference` is the class that others are compared with, as text; None is the first of two classes, or the most
    frequent of more. `offset` is a column that is added to the linear predictor, and `exposure` one whose logarithm is
    added to it.
    """

    column: str
    family: str
    reference: str | None = None
    offset: str | None = None
    exposure: str | None = None

    @field_validator("family")
    @classmethod
    def _is_known(cls, family: str) -> str:
        if family not in (AUTO, *FAMILIES):
            raise PydanticCustomError("family", "{known}", {"known": f"one of {', '.join((AUTO, *FAMILIES))}"})
        return family

    @field_validator("exposure")
    @classmethod
    def _is_another(cls, exposure: str | None, info: ValidationInfo) -> str | None:
        if exposure is not None and exposure == info.data.get("offset"):
            raise PydanticCustomError("exposure", "another column than that of the offset")
        return exposure


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Fit:
    """Settings of gradient descent.

    `momentum` is used by `rmsprop` and `sgd` only. `dtype` is the number type of the descent. `validation` is the share
    of a network's rows that are set aside for early stopping. A table with more than `held_rows` training rows is read
    in blocks in every epoch; null chooses this limit by the number of columns.
    """

    optimizer: Literal["adam", "rmsprop", "sgd"]
    momentum: Share
    dtype: Literal["float32", "float64"]
    batch_size: int = Field(ge=1, le=1_000_000)
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None
    patience: Annotated[int, Field(ge=1, le=100_000)] | None
    validation: float = Field(gt=0, lt=1)
    held_rows: Annotated[int, Field(ge=1, le=2**31 - 1)] | None
    seed: Seed

    @field_validator("momentum")
    @classmethod
    def _not_for_adam(cls, momentum: float, info: ValidationInfo) -> float:
        if momentum and info.data.get("optimizer") == "adam":
            raise PydanticCustomError("momentum", "0 with optimizer adam, which sets its momentum itself")
        return momentum


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Folds:
    """Repeated k-fold cross-validation, with `seeds` random seeds in each fold for a network, averaged to its loss.

    If `repeats` or `seeds` is null, the size of the table decides it (`plan.fold_plan`), with `max_repeats` repeats at
    most.
    """

    k: int = Field(ge=2, le=1000)
    repeats: Annotated[int, Field(ge=1, le=1000)] | None
    max_repeats: int = Field(default=10, ge=1, le=1000)
    seeds: Annotated[int, Field(ge=1, le=1000)] | None
    seed: Seed


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Verdict:
    """Settings of the comparison.

    `margin` is the share of the loss below which a difference does not matter in practice. `ladder` lists models from
    the simplest to the largest, or is None.
    """

    margin: Share
    confidence: float = Field(gt=0.5, lt=1)
    ladder: Annotated[list[Slug], Field(min_length=2)] | None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Tracking:
    """With `live`, MLflow shows losses while a variant trains. No result depends on this."""

    live: bool = False


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config:
    """All settings in params.yaml.

    `reference` is a model without a part in the verdict, whose loss in the same folds is shown beside the others.
    """

    data: Annotated[Balloons | Example | Table, Field(discriminator="source")]
    targets: dict[Slug, Target] = Field(min_length=1)
    models: dict[Slug, Model] = Field(min_length=1)
    fit: Fit
    folds: Folds
    verdict: Verdict
    reference: Literal["trees", "none"] = "none"
    tracking: Tracking = Tracking()


def parse(values: Mapping[str, Any], origin: str = "params.yaml") -> Config:
    """Return the checked settings.

    Raises UserError for an unknown or missing key, a wrong type or a value out of range. The message names each key,
    what was expected and what came. The key `_target_` is refused everywhere, since calling a function that a file
    names would run code.
    """
    refuse_target(values, origin, "")
    try:
        # Strict validation of Python values expects dataclass instances instead of mappings. JSON has no such limit.
        return TypeAdapter(Config).validate_json(json.dumps(values))
    except ValidationError as error:
        raise UserError(f"{origin}: " + "; ".join(explain(detail) for detail in error.errors())) from None


def chosen_target(targets: Mapping[str, Target], name: str | None) -> str:
    """Return the key of the target with the key or the column `name`, or for None the key of the only target.

    Raises UserError if no target matches, or more than one.
    """
    matching = [key for key, target in targets.items() if name in (None, key, target.column)]
    if len(matching) == 1:
        return matching[0]
    raise UserError(f"--target: expected one of {', '.join(targets)}, got {name or 'none'}")


def load(path: Path) -> Config:
    """Return the checked settings in the file `path`. Raises UserError if it is missing, not YAML, or invalid."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run this in the project's folder, after `dvc repro compose`") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected a mapping of settings, got {type(values).__name__}")
    return parse(values, str(path))
