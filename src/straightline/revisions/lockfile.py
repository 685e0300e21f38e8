"""What dvc.lock records: the params, data and code that each stage last ran with."""

from collections.abc import Mapping
from typing import Any

ABSENT: Any = object()  # None is a value of its own in params.yaml
Stages = Mapping[str, Mapping[str, Any]]


def current(stages: Stages, params: Mapping[str, Any]) -> Stages:
    """Return the stages but those of targets and models that are gone from `params`, which DVC leaves in dvc.lock."""
    targets, models = (params.get(key) or {} for key in ("targets", "models"))
    variants = {f"{target}-{model}" for target in targets for model in models}
    return {name: stage for name, stage in stages.items() if name.partition("@")[2] in {"", *variants}}


def recorded(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of params.yaml that a stage ran with, by dotted key."""
    return (stage.get("params") or {}).get("params.yaml") or {}


def data(stages: Stages) -> dict[str, str]:
    """Return the digests of the table file, where there is one, and of what the data stage made of it."""
    stage = stages.get("data") or {}
    table = lookup(recorded(stage), "data.path")
    files = {path: digest for path, digest in _digests(stage, "deps").items() if path == table and not _is_code(path)}
    return files | _digests(stage, "outs")


def code(stages: Stages) -> dict[tuple[str, str], set[str]]:
    """Return the digests of modules by path and stage; the variants of a stage count as one."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, stage in stages.items():
        for path, digest in _digests(stage, "deps").items():
            if _is_code(path):
                found.setdefault((path, name.partition("@")[0]), set()).add(digest)
    return found


def lookup(values: Any, dotted: str) -> Any:
    """Return the value at a dotted key of nested mappings, or ABSENT."""
    for key in dotted.split("."):
        values = values.get(key, ABSENT) if isinstance(values, Mapping) else ABSENT
    return values


def _digests(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind) or []}


def _is_code(path: str) -> bool:
    return path.startswith("src/")
