"""What a run takes from earlier ones: the outputs of stages whose inputs, settings and code are the same.

dvc.yaml says what a stage depends on and what it writes, here as for DVC.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from straightline.errors import UserError
from straightline.outputs.folder import MANIFEST
from straightline.runtime.artifacts import md5, read_json, write_json

PACKAGE = Path(__file__).parent.parent
STAGES = PACKAGE / "projects/templates/stages.yaml"  # dvc.yaml; the installed package has a copy of it
CODE = "src/straightline/"  # the beginning of dependencies that are modules
RECORDS = ".straightline-digests.json"  # by stage: a digest of what it depended on, and one of what it wrote
LIBRARIES = ("keras", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "tensorflow")


class Earlier:
    """The outputs of stages in `folders`, which a run in the folder `root` may use instead of computing them again."""

    def __init__(self, root: Path, folders: Sequence[Path]) -> None:
        self._root = root
        self._folders = folders
        self._records: dict[str, dict[str, str]] = {}

    def take(self, stage: str, **item: str) -> bool:
        """Copy the outputs of a stage from an earlier run to `root`. Return False if no run has the same inputs.

        `item` is the stage's place in the matrix of dvc.yaml, such as its target and model. Outputs that were changed
        since they were written are not taken.
        """
        inputs = self._inputs(stage, item)
        for folder in self._folders:
            record = _records(folder).get(_name(stage, item), {})
            if record.get("inputs") == inputs and self._is_copied(folder, _outs(stage, item), record.get("outputs")):
                self._record(_name(stage, item), record)
                return True
        return False

    def keep(self, stage: str, **item: str) -> None:
        """Note that `root` has the outputs of a stage, for later runs."""
        outputs = _digest_of(self._root, _outs(stage, item))
        self._record(_name(stage, item), {"inputs": self._inputs(stage, item), "outputs": outputs})

    def _record(self, name: str, record: dict[str, str]) -> None:
        self._records[name] = record
        write_json(self._root / RECORDS, self._records)

    def _inputs(self, stage: str, item: Mapping[str, str]) -> str:
        declared = _stages()[stage]
        settings = yaml.safe_load((self._root / "params.yaml").read_text(encoding="utf-8"))
        modules = [name.removeprefix(CODE) for name in declared["deps"] if name.startswith(CODE)]
        files = [name for name in declared["deps"] if not name.startswith(CODE)]
        content = {
            "settings": {name: _setting(settings, name) for name in _filled(declared["params"], item)},
            "files": _digest_of(self._root, files),
            "modules": _digest_of(PACKAGE, modules),
            "libraries": {name: _version(name) for name in LIBRARIES},
        }
        return _digest(content)

    def _is_copied(self, folder: Path, outs: Sequence[str], outputs: str | None) -> bool:
        """Copy `outs` from `folder`, unless the digest of the copies differs from `outputs`."""
        try:
            for out in outs:
                shutil.copytree(folder / out, self._root / out)
            if _digest_of(self._root, outs) == outputs:
                return True
        except (OSError, shutil.Error):
            pass  # Something is missing or not readable, so that the stage has to run.
        for out in outs:
            shutil.rmtree(self._root / out, ignore_errors=True)
        return False


def earlier_outputs(out: Path) -> list[Path]:
    """Return the folders that may hold what a run needs: `out`, and this user's other outputs beside it."""
    beside = sorted(path.parent for path in out.parent.glob(f"*/{MANIFEST}") if _is_ours(path))
    return [out, *(folder for folder in beside if folder != out)]


def _is_ours(path: Path) -> bool:
    """Return whether `path` and its folder belong to the user of this process, so that nobody else planted them."""
    try:
        return {path.lstat().st_uid, path.parent.lstat().st_uid} == {os.getuid()}
    except OSError:
        return False


def _records(folder: Path) -> dict[str, dict[str, str]]:
    try:
        records = read_json(folder / RECORDS)
    except (OSError, UserError):
        return {}
    is_known = isinstance(records, dict) and all(isinstance(record, dict) for record in records.values())
    return records if is_known else {}


@cache
def _stages() -> dict[str, Any]:
    return dict(yaml.safe_load(STAGES.read_text(encoding="utf-8"))["stages"])


def _outs(stage: str, item: Mapping[str, str]) -> list[str]:
    outs = [next(iter(out)) if isinstance(out, dict) else out for out in _stages()[stage]["outs"]]
    return _filled(outs, item)


def _filled(texts: Iterable[str], item: Mapping[str, str]) -> list[str]:
    """Return the texts with the place in the matrix, such as ${item.target}, filled in."""
    filled = list(texts)
    for name, value in item.items():
        filled = [text.replace(f"${{item.{name}}}", value) for text in filled]
    return filled


def _name(stage: str, item: Mapping[str, str]) -> str:
    return " ".join([stage, "/".join(item.values())]).strip()


def _setting(values: Any, name: str) -> Any:
    for key in name.split("."):
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _digest_of(root: Path, names: Sequence[str]) -> str:
    """Return a digest over the names and contents of all files in `names`, which are files or folders in `root`."""
    digests: dict[str, str] = {}
    for name in names:
        paths = [root / name] if (root / name).is_file() else (root / name).rglob("*")
        files = [path for path in paths if path.is_file() and "__pycache__" not in path.parts]
        digests |= {path.relative_to(root).as_posix(): md5(path) for path in files}
    return _digest(digests)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
