"""conf/ of a project: the package's configs, and those of the user's table and targets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from straightline.config.composition import CONF
from straightline.runtime.artifacts import write_text

BUNDLED = re.compile(r"data/(?!table)|target/(?!table)")  # configs of other tables than the user's
# Names that a config cannot have, since it exists already, or since YAML and Hydra read the name as another value.
TAKEN = re.compile(r"|table|\d.*|true|false|yes|no|on|off|null|nan|inf", re.IGNORECASE)


def write_settings(
    conf: Path, name: str, table: Mapping[str, Any], targets: Mapping[str, Any], effort: str | None
) -> str:
    """Write the folder `conf` for the table `name` with its settings and targets, and return the name of its config.

    `effort` is a file of conf/effort, or None for that of conf/config.yaml.
    """
    for path in sorted(CONF.rglob("*.yaml")):
        place = path.relative_to(CONF).as_posix()
        if not BUNDLED.match(place):
            write_text(conf / place, path.read_text(encoding="utf-8"))
    chosen: list[Any] = []
    for key, target in targets.items():
        config = f"own_{key}" if TAKEN.fullmatch(key) or (conf / f"target/{key}.yaml").exists() else key
        write_text(conf / f"target/{config}.yaml", _dumped(target))
        chosen.append({f"/target@_global_.targets.{key}": config})
    source = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if TAKEN.fullmatch(source):
        source = f"own_{source}".rstrip("_")
    text = _dumped({"defaults": [*chosen, "_self_"], **table})
    write_text(conf / f"data/{source}.yaml", f"# Written by `straightline init`; table.yaml explains the keys.\n{text}")
    _choose(conf / "config.yaml", source, effort)
    return source


def _choose(path: Path, source: str, effort: str | None) -> None:
    """Select the table and the effort in conf/config.yaml."""
    config = path.read_text(encoding="utf-8").replace("- data: balloons\n", f"- data: {source}\n")
    if effort is not None:
        config = re.sub(r"- effort: .*", f"- effort: {effort}", config)
    write_text(path, config)


def _dumped(values: Mapping[str, Any]) -> str:
    """Return YAML that OmegaConf reads as the same values: it takes 1e5 as a number, and would resolve `${`."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values))).replace("${", "\\${")
