"""`straightline run`: a user's own table from file to answer, in an output folder, without DVC or git."""

import csv
import io
import itertools
import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from straightline import terminal
from straightline.artifacts import write_text
from straightline.config import parse
from straightline.errors import UserError
from straightline.results import load_results
from straightline.stages import compare, compose, data, report, timed

CONF = Path(__file__).parent.parent / "conf"  # the repository's, or as the package has it
MARK = ".straightline-output"  # in a folder that a later run may replace


@dataclass(frozen=True)
class Options:
    """A table, the columns to predict, and what differs from conf/.

    Empty `features` are all columns that are no target, not in `exclude`, and neither `groups` nor `time`; `held_out`
    of None is what conf/ says.
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
    task: str
    held_out: float | None
    overrides: Sequence[str]


def run(options: Options, out: Path, track: bool) -> None:
    """Write what the pipeline's stages write into `out`, and print the answer; with `track` to MLflow too.

    Raises UserError before anything is written where file or options are wrong, or where `out` holds something else.
    """
    _require_replaceable(out)
    text = settings(options)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".straightline-") as folder:
        work = Path(folder) / "work"
        _answer(work, text, command_line(options))
        if out.exists():
            shutil.rmtree(out)
        work.rename(out)
    results = load_results(out)
    if track:
        from straightline import tracking

        print(tracking.publish(results))
    terminal.show(results)


def command_line(options: Options) -> str:
    """Return the command that `options` came from, as a shell takes it."""
    given: list[tuple[str, Any]] = [
        *(("--target", target) for target in options.targets),
        *((f"--{name}", _listed(getattr(options, name))) for name in ("features", "exclude", "categorical")),
        *((f"--{name}", getattr(options, name)) for name in ("groups", "time", "delimiter", "decimal")),
        ("--split", None if options.split == "chance" else options.split),
        ("--task", None if options.task == "auto" else options.task),
        ("--held-out", options.held_out),
    ]
    words = [word for name, value in given if value not in (None, "") for word in (name, str(value))]
    return shlex.join(["straightline", "run", str(options.file), *words, *options.overrides])


def _listed(columns: Sequence[str]) -> str:
    """Return what `names` reads."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(columns)
    return text.getvalue()


def names(text: str) -> list[str]:
    """Return the column names in `text`, with commas between them, and in quotes where they hold one."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip()]


def settings(options: Options) -> str:
    """Return the params.yaml that conf/ composes to with `options`. Raises UserError where they do not fit it."""
    targets = _targets(options)
    given: dict[str, Any] = {
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
        given["data.held_out"] = options.held_out
    values = yaml.safe_load(compose.render(CONF, ["data=table", *options.overrides], given))
    values["targets"] = targets
    parse(values, "settings")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _targets(options: Options) -> dict[str, dict[str, str]]:
    targets: dict[str, dict[str, str]] = {}
    for column in options.targets:
        key = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_") or "target"
        while key in targets:
            key += "_"
        targets[key] = {"column": column, "task": options.task}
    if len({own["column"] for own in targets.values()}) < len(targets):
        raise UserError(f"--target: expected different columns, got {', '.join(options.targets)}")
    return targets


def _require_replaceable(out: Path) -> None:
    if out.exists() and not (out / MARK).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: is there and not an output of `straightline run`; choose another folder with --out")


def _answer(root: Path, text: str, command: str) -> None:
    write_text(root / "params.yaml", text)
    write_text(root / "command.txt", f"{command}\n")
    write_text(root / MARK, "")
    with timed(root, "data"):
        data.run(root)
    with timed(root, "import of TensorFlow"):  # after the table is known to be sound
        from straightline.stages import evaluate, train

    values = yaml.safe_load(text)
    for target, model in itertools.product(values["targets"], values["models"]):
        with timed(root, "train", target=target, model=model):
            train.run(root, target, model)
    for stage in (evaluate, compare, report):
        with timed(root, stage.__name__.rpartition(".")[2]):
            stage.run(root)
