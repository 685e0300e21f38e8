"""Stage `compose`: compose Hydra's conf/ into params.yaml, exactly as `dvc exp run` does."""

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
from straightline.runtime.terminal import say

AGAIN = ".straightline/again"  # This file makes the Makefile run `dvc repro` again.


def run(root: Path) -> None:
    """Write params.yaml below `root` if conf/ composes to other settings, and print the changes.

    In an experiment (`dvc exp run -S`), DVC has already composed params.yaml with the overrides, so it is not changed.
    Raises UserError for an invalid config, before anything is written. Also raises UserError, after writing, if the
    targets, the models or the table changed, since DVC read the stages of dvc.yaml before.
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
                say(f"compose: {key}: {old.get(key, 'absent')} -> {new.get(key, 'absent')}")
        write_text(path, after)
    _remove_gone(root, config)
    if before and _expansion(yaml.safe_load(before)) != _expansion(yaml.safe_load(after)):
        (root / AGAIN).parent.mkdir(exist_ok=True)
        (root / AGAIN).touch()
        raise UserError("params.yaml is written, but the targets, models or table changed: run dvc repro again")


def check(root: Path) -> None:
    """Raise UserError if params.yaml is not up to date with conf/."""
    path = root / "params.yaml"
    after = render(root / "conf")
    parse(yaml.safe_load(after), "conf")
    if not path.exists() or path.read_text(encoding="utf-8") != after:
        raise UserError("params.yaml is not up to date with conf/; run `dvc repro compose`")


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
