"""The winner of a sweep, written into conf/."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from straightline.config.composition import choices
from straightline.runtime.artifacts import write_text
from straightline.sweeps.space import Space


def adopt(conf: Path, of: Space, overrides: Sequence[str], point: Mapping[str, Any], tried: int) -> None:
    """Write the settings of `point`, chosen from `tried` configs, into the files of `conf` that have them."""
    values = {one.key: one.value(point) for one in of.dimensions} | {f"models.{of.model}.selected_from": tried}
    fixed = [text for text in overrides if text.split("=")[0] not in point]
    chosen = choices(conf, fixed)
    for key, value in values.items():
        group, name = ("fit", "fit") if key.startswith("fit.") else ("model", f"model@models.{of.model}")
        file = conf / group / f"{chosen[name]}.yaml"
        setting = key.rpartition(".")[2]
        line = f"{setting}: {json.dumps(value)}"
        text = file.read_text(encoding="utf-8")
        changed, count = re.subn(rf"(?m)^{setting}:.*$", line, text)
        write_text(file, changed if count else f"{text.rstrip()}\n{line}\n")
        print(f"adopted: {file}: {line}")
