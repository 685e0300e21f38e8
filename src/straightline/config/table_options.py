"""Convert the options of `straightline run` and `straightline init`, which describe a table, into settings."""

import csv
import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from straightline.config.composition import CONF, render
from straightline.config.settings import parse
from straightline.errors import UserError


@dataclass(frozen=True)
class TableOptions:
    """A table, the columns to predict, and the settings that differ from conf/.

    Empty `features` stand for all columns except targets, `exclude`, `groups` and `time`. If `held_out` is None, the
    value in conf/ is used.
    """

    file: Path
    targets: Sequence[str]
    features: Sequence[str]
    exclude: Sequence[str]
    categorical: Sequence[str]
    groups: str | None
    split: str
    time: str | None
    delimiter: str | None
    decimal: str | None
    family: str
    held_out: float | None
    overrides: Sequence[str]


def command_line(options: TableOptions) -> str:
    """Return the command line that gives `options`, quoted for a shell."""
    arguments: list[tuple[str, Any]] = [
        *(("--target", target) for target in options.targets),
        *((f"--{name}", _listed(getattr(options, name))) for name in ("features", "exclude", "categorical")),
        *((f"--{name}", getattr(options, name)) for name in ("groups", "time", "delimiter", "decimal")),
        ("--split", None if options.split == "chance" else options.split),
        ("--family", None if options.family == "auto" else options.family),
        ("--held-out", options.held_out),
    ]
    words = [word for name, value in arguments if value not in (None, "") for word in (name, str(value))]
    return shlex.join(["straightline", "run", str(options.file), *words, *options.overrides])


def _listed(columns: Sequence[str]) -> str:
    """Return `columns` as a text from which `column_names` returns them again."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(columns)
    return text.getvalue()


def column_names(text: str) -> list[str]:
    """Return the column names in `text`. Commas separate them; a name that contains a comma is in quotes."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip()]


def table_settings(options: TableOptions) -> str:
    """Return the params.yaml that conf/ and `options` compose to. Raises UserError if the options are not valid."""
    targets = _targets(options)
    data: dict[str, Any] = {
        "data.path": str(options.file.resolve()),
        "data.target": options.targets[0],
        "data.features": list(options.features) or None,
        "data.exclude": list(options.exclude),
        "data.categorical": list(options.categorical),
        "data.groups": options.groups,
        "data.split": options.split,
        "data.time": options.time,
        "data.delimiter": options.delimiter,
        "data.decimal": options.decimal,
    }
    if options.held_out is not None:
        data["data.held_out"] = options.held_out
    values = yaml.safe_load(render(CONF, ["data=table", *options.overrides], data))
    values["targets"] = targets
    parse(values, "settings")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _targets(options: TableOptions) -> dict[str, dict[str, str]]:
    targets: dict[str, dict[str, str]] = {}
    for column in options.targets:
        key = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_") or "target"
        while key in targets:
            key += "_"
        targets[key] = {"column": column, "family": options.family}
    if len({target["column"] for target in targets.values()}) < len(targets):
        raise UserError(f"--target: expected different columns, got {', '.join(options.targets)}")
    return targets
