"""Writes the settings of a sweep's winner into the files of conf/."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from straightline.config.composition import choices
from straightline.runtime.artifacts import write_text
from straightline.runtime.terminal import say
from straightline.sweeps.space import Space


def adopt(conf: Path, space: Space, overrides: Sequence[str], point: Mapping[str, Any], tried: int) -> None:
    """Write the settings of `point` into the files below `conf` that hold them, and print each change.

    `overrides` are those of the sweep. `tried` is the number of configs that `point` was selected from; it is written
    too.
    """
    values = {dimension.key: dimension.value(point) for dimension in space.dimensions}
    values[f"models.{space.model}.selected_from"] = tried
    fixed = [text for text in overrides if text.split("=")[0] not in point]
    chosen = choices(conf, fixed)
    for key, value in values.items():
        group, name = ("fit", "fit") if key.startswith("fit.") else ("model", f"model@models.{space.model}")
        file = conf / group / f"{chosen[name]}.yaml"
        setting = key.rpartition(".")[2]
        line = f"{setting}: {json.dumps(value)}"
        text = file.read_text(encoding="utf-8")
        changed, count = re.subn(rf"(?m)^{setting}:.*$", line, text)
        write_text(file, changed if count else f"{text.rstrip()}\n{line}\n")
        say(f"adopted: {file}: {line}")
