"""Convert the options of `straightline run` and `straightline init`, which describe a table, into settings."""

import csv
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from straightline.config.composition import CONF, render
from straightline.config.settings import parse
from straightline.config.streams import address, stream_name
from straightline.errors import UserError
from straightline.families import AUTO

ENDINGS = re.compile(r"(?<=.)\.(gz|bz2|xz|zst|zip)$", re.IGNORECASE)
LONGEST_KEY = 60  # characters; a key is a part of file names


@dataclass(frozen=True)
class TableOptions:
    """A table, the columns to predict and their family, and the settings that differ from conf/.

    `target_settings` are settings of all targets by their name in `settings.Target`, such as `exposure`. `data` holds
    settings of the table by their name in `settings.Table`, such as `groups`. `overrides` are settings in Hydra's
    syntax.
    """

    file: Path
    targets: Sequence[str]
    family: str = AUTO
    target_settings: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The name of the file without what says its kind, or that of a stream; it may be a part of file names."""
        stream = stream_name(self.file)
        return Path(ENDINGS.sub("", self.file.name)).stem if stream is None else stream.replace(" ", "-")


def command_line(options: TableOptions) -> str:
    """Return the command line that gives `options`, quoted for a shell."""
    arguments = [("target", target) for target in options.targets]
    arguments += [(name, _listed(value) if isinstance(value, list) else value) for name, value in options.data.items()]
    arguments += [("family", options.family)] if options.family != AUTO else []
    arguments += options.target_settings.items()
    words = [word for name, value in arguments for word in _option(name.replace("_", "-"), value)]
    return shlex.join(
        ["straightline", "run", "-" if stream_name(options.file) else str(options.file), *words, *options.overrides]
    )


def with_settings(command: str, settings: Mapping[str, Any]) -> str:
    """Return a `command_line` that sets the dotted keys of `settings` to other values."""
    kept = [word for word in shlex.split(command) if word.partition("=")[0].lstrip("+") not in settings]
    return shlex.join([*kept, *(f"{key}={value}" for key, value in settings.items())])


def _option(name: str, value: Any) -> list[str]:
    return [f"--{'' if value else 'no-'}{name}"] if isinstance(value, bool) else [f"--{name}", str(value)]


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
    table = {
        "path": stream_name(options.file) or address(options.file) or str(options.file.resolve()),
        "target": options.targets[0],
        **options.data,
    }
    given = {f"data.{name}": value for name, value in table.items()}
    values = yaml.safe_load(render(CONF, ["data=table", *options.overrides], given))
    values["targets"] = targets
    parse(values, "settings")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _targets(options: TableOptions) -> dict[str, dict[str, str]]:
    targets: dict[str, dict[str, str]] = {}
    for column in options.targets:
        key = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_")[:LONGEST_KEY] or "target"
        while key in targets:
            key += "_"
        targets[key] = {"column": column, "family": options.family, **options.target_settings}
    if len({target["column"] for target in targets.values()}) < len(targets):
        raise UserError(f"--target: expected different columns, got {', '.join(options.targets)}")
    return targets
