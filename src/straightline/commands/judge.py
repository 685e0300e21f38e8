"""`straightline judge`: the answers at another margin or confidence, from the losses that are there."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from straightline.config.settings import Config, load, parse
from straightline.config.table_options import with_settings
from straightline.errors import UserError
from straightline.outputs.folder import MANIFEST
from straightline.results import json_output, terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import write_json, write_text
from straightline.runtime.folders import RESULT_FOLDERS
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.terminal import say
from straightline.stages import compare, report

WRITTEN = ("verdicts", "reports")


def run(root: Path, rules: Mapping[str, float], as_json: bool) -> None:
    """Judge the results below `root` with other `rules`, such as {"margin": 0.1}, and print the answers.

    In an output of `straightline run` the settings, the verdicts and the report become those of the new rules. In a
    project, whose settings come from conf/, nothing is written. Raises UserError for invalid rules or missing results,
    before anything is written.
    """
    if not rules:
        raise UserError("judge: expected --margin or --confidence, such as --margin 0.1")
    results = load_results(root)
    settings = {f"verdict.{name}": value for name, value in rules.items()}
    values, config = _changed(root, rules)
    results = replace(results, config=config, verdicts=compare.verdicts(root, config))
    is_output = (root / MANIFEST).is_file()
    if is_output:
        _write(root, values, settings)
    if as_json:
        say(json_output.as_text(results))
        return
    terminal.show(results)
    if not is_output:
        overrides = " ".join(f"-S {key}={value}" for key, value in settings.items())
        say(f"Nothing was written. To keep these answers: dvc exp run {overrides}, or change conf/verdict/default.yaml")


def _changed(root: Path, rules: Mapping[str, float]) -> tuple[dict[str, Any], Config]:
    """Return the settings below `root` with other rules, as they are written and as they are used."""
    load(root / "params.yaml")
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    values["verdict"] |= rules
    return values, parse(values, "judge")


def _write(root: Path, values: Mapping[str, Any], settings: Mapping[str, float]) -> None:
    """Write all files that depend on the rules to a folder inside `root`, then move them to their places."""
    with temporary_folder(root) as work:
        for name in set(RESULT_FOLDERS) - set(WRITTEN):
            if (root / name).exists():
                (work / name).symlink_to((root / name).resolve())
        write_text(work / "params.yaml", yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True))
        command = root / "command.txt"
        if command.exists():
            write_text(work / "command.txt", with_settings(command.read_text(encoding="utf-8"), settings) + "\n")
        for target, verdict in compare.verdicts(work, parse(values)).items():
            write_json(work / f"verdicts/{target}.json", verdict.to_json())
        report.write(work)
        new = [path for name in WRITTEN for path in (work / name).rglob("*") if path.is_file()]
        for path in [work / "params.yaml", *work.glob("*.txt"), *new]:
            place = root / path.relative_to(work)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
