"""Stage `compose`: Hydra's conf/ becomes params.yaml, exactly as `dvc exp run` renders it."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from straightline.config.composition import flattened, render
from straightline.config.settings import Config, parse
from straightline.errors import UserError
from straightline.runtime.artifacts import write_text
from straightline.runtime.stage import stage

AGAIN = ".straightline/again"  # tells the Makefile that a second try will do


def run(root: Path) -> None:
    """Write params.yaml below `root` where conf/ composes to something else, and say what changes.

    An experiment's params.yaml (`dvc exp run -S`) was composed by DVC with its overrides and is left alone.
    Raises UserError for an invalid config (nothing is written), and, after writing, where the stages that dvc.yaml
    was expanded to are no longer those of the new params.yaml.
    """
    path = root / "params.yaml"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if os.environ.get("DVC_EXP_NAME") and before:
        _remove_gone(root, parse(yaml.safe_load(before)))
        return
    after = render(root / "conf")
    config = parse(yaml.safe_load(after), "conf")
    if after != before:
        old, new = flattened(yaml.safe_load(before) or {}), flattened(yaml.safe_load(after))
        for key in sorted(old.keys() | new.keys()) if old else ():
            if old.get(key) != new.get(key):
                print(f"compose: {key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}")
        write_text(path, after)
    _remove_gone(root, config)
    if before and _expansion(yaml.safe_load(before)) != _expansion(yaml.safe_load(after)):
        (root / AGAIN).parent.mkdir(exist_ok=True)
        (root / AGAIN).touch()
        raise UserError("params.yaml is written, but the variants changed: run dvc repro again")


def check(root: Path) -> None:
    """Raise UserError unless params.yaml is what conf/ composes to."""
    path = root / "params.yaml"
    after = render(root / "conf")
    parse(yaml.safe_load(after), "conf")
    if not path.exists() or path.read_text(encoding="utf-8") != after:
        raise UserError("params.yaml is not what conf/ composes to; run `dvc repro compose`")


def _expansion(values: Mapping[str, Any]) -> tuple[list[str], list[str], str]:
    return sorted(values.get("targets", {})), sorted(values.get("models", {})), values.get("data", {}).get("path")


def _remove_gone(root: Path, config: Config) -> None:
    for folder in root.glob("runs/*/*/"):
        if folder.parent.name not in config.targets or folder.name not in config.models:
            shutil.rmtree(folder)
    for folder in root.glob("runs/*/"):
        if not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    with stage("compose"):
        run(Path("."))
