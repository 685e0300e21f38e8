"""Names of temporary files and folders that say who works on them, so that those of killed processes are removed."""

import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

PARTIAL, FOLDER = ".partial-", "straightline-"  # Prefixes of temporary files and folders; a signature follows.
APART = "~"  # stands between the parts of a signature, all of which may be parts of a file name


def signature(pid: int | None = None) -> str:
    """Return a text that identifies a process for ever, by default this one; it may be part of a file name.

    It has the name of the machine, the start of the machine and the namespace in which ids count, the id, and the start
    of the process: in ticks since the start of the machine, which no change of the clock moves, or else in seconds.
    """
    number = os.getpid() if pid is None else pid
    return APART.join([*_machine(), str(number), _start(number)])


def is_dead(signed: str) -> bool:
    """Return whether the process with the signature `signed` has surely ended.

    Nothing is known about processes of another machine, or of another namespace of ids, such as those of a container.
    """
    host, boot, namespace, pid, start = (signed.split(APART) + [""] * 5)[:5]
    own_host, own_boot, own_namespace = _machine()
    if host != own_host or not pid.isdecimal() or not start.isdecimal():
        return False
    if boot != own_boot:
        return True
    if namespace != own_namespace:
        return False
    try:
        return _start(int(pid)) != start
    except (psutil.Error, OverflowError):
        return True


def _start(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[19]  # starttime, field 22 of proc(5), of which the first two stand before the parenthesis
    except OSError:
        return f"{psutil.Process(pid).create_time():.0f}"


@cache
def _machine() -> tuple[str, str, str]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        namespace = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:  # not Linux: the start of the process has to be enough
        boot, namespace = "", ""
    return socket.gethostname().replace(APART, ""), boot, namespace


def signed(prefix: str) -> str:
    """Return `prefix` and the signature of this process, as the beginning of the name of a temporary file or folder."""
    return f"{prefix}{signature()}{APART}"


def is_left(path: Path, prefix: str) -> bool:
    """Return whether a process of this user, which has ended, left `path`, whose name begins with `signed(prefix)`.

    It is False in a folder in which every user may rename the files of others.
    """
    try:
        mode = path.parent.stat().st_mode
        is_shared = mode & stat.S_IWOTH and not mode & stat.S_ISVTX
        return not is_shared and path.lstat().st_uid == os.getuid() and is_dead(path.name.removeprefix(prefix))
    except OSError:
        return False


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that no other user can read, and remove it at the end, like those that dead processes left.

    It is in `parent`, hidden, or in the system's folder for temporary files.
    """
    place, prefix = (Path(tempfile.gettempdir()), FOLDER) if parent is None else (parent, f".{FOLDER}")
    _remove(place.glob(f"{prefix}*"), prefix)
    with tempfile.TemporaryDirectory(dir=place, prefix=signed(prefix)) as name:
        yield Path(name)


def clear(root: Path, folders: Sequence[str]) -> None:
    """Remove temporary folders of dead processes, and their partial files in `root` and below its `folders`."""
    _remove(Path(tempfile.gettempdir()).glob(f"{FOLDER}*"), FOLDER)
    _remove(root.glob(f"{PARTIAL}*"), PARTIAL)
    for folder in folders:
        _remove((root / folder).rglob(f"{PARTIAL}*"), PARTIAL)


def _remove(paths: Iterable[Path], prefix: str) -> None:
    for path in [path for path in paths if is_left(path, prefix)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
