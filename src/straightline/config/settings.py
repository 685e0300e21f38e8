"""The settings of a pipeline. They are frozen, typed, and checked before anything else happens."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass
from pydantic_core import PydanticCustomError

from straightline.config.explanation import explain, refuse_target
from straightline.config.sources import STRICT, Balloons, Example, Seed, Share, Table
from straightline.errors import UserError
from straightline.families import AUTO, FAMILIES
from straightline.models import Model

Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_]*$")]


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
class Growth:
    """How many rows a network learns from, in a table of more than 250,000 rows (`large/growth.py`).

    Samples have `first` rows, then `factor` times as many. They end if the network's loss has fallen by at most the
    share `flat` since the sample before, or if it is lower than that of the line by more than the share `clear_gain`,
    each with the given `confidence`.
    """

    first: int = Field(default=100_000, ge=1_000)
    factor: int = Field(default=4, ge=2, le=100)
    flat: Share = 0.005
    clear_gain: Share = 0.05
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


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
    growth: Growth = Growth()

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
    most. In a table of more than 250,000 rows models are fitted in the first `large` of the folds, once and with one
    seed.
    """

    k: int = Field(ge=2, le=1000)
    large: int = Field(default=5, ge=2, le=1000)
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
