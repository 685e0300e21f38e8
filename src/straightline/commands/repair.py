"""`straightline repair`: remove what DVC left half written when it was killed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from straightline.errors import UserError
from straightline.runtime.folders import RESULT_FOLDERS
from straightline.runtime.terminal import say

DVCS = re.compile(r"\.[\w-]{22}\.tmp$")  # the name of a file that DVC copies to before it renames it
ADVICE = "could not be read and is now {}; `dvc repro` writes it again, and takes finished stages from its cache"


def run(root: Path) -> None:
    """Move dvc.lock and .dvc/tmp/rwlock below `root` aside if DVC cannot read them; remove temporary files of DVC.

    Raises UserError if there is nothing to repair, or if DVC is at work, which may be writing these files just now.
    """
    import yaml
    from dvc.lock import LockError, make_lock
    from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, SCHEMA
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    folder = root / ".dvc/tmp"
    if not folder.parent.is_dir():
        raise UserError(f"{root.resolve()}: is no DVC project; run this in the folder with dvc.yaml")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is no folder; move it away")
    folder.mkdir(exist_ok=True)
    files: dict[Path, Callable[[str], Any]] = {
        root / "dvc.lock": lambda text: COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(text)),
        folder / RWLOCK_FILE: lambda text: SCHEMA(json.loads(text)),
    }
    try:
        # DVC writes these files under these locks only, and a lock ends with the process that has it.
        with make_lock(str(folder / "lock"), str(folder)), make_lock(str(folder / RWLOCK_LOCK), str(folder)):
            broken = [path for path, parse in files.items() if not _is_whole(path, parse)]
            left = [path for name in RESULT_FOLDERS for path in (root / name).rglob("*.tmp") if _is_dvcs(path)]
            for path in broken:
                path.replace(folder / f"{path.name}.incomplete")
            for path in left:
                path.unlink()
    except LockError:
        raise UserError("DVC is at work in this folder; wait until it ends, or end it, then repair") from None
    if not broken and not left:
        raise UserError(f"{' and '.join(map(str, files))}: complete or absent; nothing to repair")
    if left:
        say(f"repair: {len(left):,} temporary files of DVC are removed")
    for path in broken:
        say(f"repair: {path} {ADVICE.format(folder / f'{path.name}.incomplete')}")


def _is_dvcs(path: Path) -> bool:
    return bool(DVCS.match(path.name)) and path.is_file()


def _is_whole(path: Path, parse: Callable[[str], Any]) -> bool:
    from voluptuous import Invalid
    from yaml import YAMLError

    try:
        parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (Invalid, YAMLError, ValueError, RecursionError):
        return False
    return True
