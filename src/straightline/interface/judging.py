"""Judge finished results by other rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from straightline.config.settings import Config, parse
from straightline.config.table_options import with_settings
from straightline.results.files import Results
from straightline.runtime.artifacts import write_json, write_text
from straightline.runtime.folders import RESULT_FOLDERS
from straightline.runtime.leftovers import temporary_folder
from straightline.stages import compare, report

WRITTEN = ("verdicts", "reports")


def judged(results: Results, rules: Mapping[str, float]) -> Results:
    """Return `results` with the verdicts by `rules`, such as {"margin": 0.1}. Raises UserError for invalid rules."""
    _, config = changed(results.root, rules)
    return replace(results, config=config, verdicts=compare.verdicts(results.root, config))


def changed(root: Path, rules: Mapping[str, float]) -> tuple[dict[str, Any], Config]:
    """Return the settings below `root` with other rules, as they are written and as they are used."""
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    values["verdict"] |= rules
    return values, parse(values, "judge")


def rewrite(root: Path, rules: Mapping[str, float]) -> None:
    """Write all files below `root` that depend on the rules: to a folder inside first, then to their places."""
    values, config = changed(root, rules)
    settings = {f"verdict.{name}": value for name, value in rules.items()}
    with temporary_folder(root) as work:
        for name in set(RESULT_FOLDERS) - set(WRITTEN):
            if (root / name).exists():
                (work / name).symlink_to((root / name).resolve())
        write_text(work / "params.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        command = root / "command.txt"
        if command.exists():
            write_text(work / "command.txt", with_settings(command.read_text(encoding="utf-8"), settings) + "\n")
        for target, verdict in compare.verdicts(work, config).items():
            write_json(work / f"verdicts/{target}.json", verdict.to_json())
        report.write(work)
        new = [path for name in WRITTEN for path in (work / name).rglob("*") if path.is_file()]
        for path in [work / "params.yaml", *work.glob("*.txt"), *new]:
            place = root / path.relative_to(work)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
