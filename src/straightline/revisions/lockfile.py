"""Read from dvc.lock the params, data and code with which each stage last ran."""

from collections.abc import Mapping
from typing import Any

ABSENT: Any = object()  # stands for a missing value, since None is a valid value in params.yaml
Stages = Mapping[str, Mapping[str, Any]]


def current(stages: Stages, params: Mapping[str, Any]) -> Stages:
    """Return the stages without those of removed targets and models, which DVC leaves in dvc.lock.

    The targets and models that still exist are in `params`.
    """
    targets, models = (params.get(key) or {} for key in ("targets", "models"))
    variants = {f"{target}-{model}" for target in targets for model in models}
    return {name: stage for name, stage in stages.items() if name.partition("@")[2] in {"", *variants}}


def recorded(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of params.yaml with which a stage ran, by dotted key."""
    return (stage.get("params") or {}).get("params.yaml") or {}


def data(stages: Stages) -> dict[str, str]:
    """Return the digests of the table file, if there is one, and of the outputs of the data stage."""
    stage = stages.get("data") or {}
    table = lookup(recorded(stage), "data.path")
    files = {path: digest for path, digest in _digests(stage, "deps").items() if path == table and not _is_code(path)}
    return files | _digests(stage, "outs")


def code(stages: Stages) -> dict[tuple[str, str], set[str]]:
    """Return the digests of modules by path and stage; all variants of a stage share its name."""
    digests: dict[tuple[str, str], set[str]] = {}
    for name, stage in stages.items():
        for path, digest in _digests(stage, "deps").items():
            if _is_code(path):
                digests.setdefault((path, name.partition("@")[0]), set()).add(digest)
    return digests


def lookup(values: Any, dotted: str) -> Any:
    """Return the value at a dotted key in nested mappings, or ABSENT."""
    for key in dotted.split("."):
        values = values.get(key, ABSENT) if isinstance(values, Mapping) else ABSENT
    return values


def _digests(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {entry["path"]: entry.get("md5", "") for entry in stage.get(kind) or []}


def _is_code(path: str) -> bool:
    return path.startswith("src/")
