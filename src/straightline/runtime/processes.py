"""What a process owes to others: it ends with its parent, takes turns, and clears away after those that were killed."""

import ctypes
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

from straightline.errors import UserError

TURN_SECONDS = 600  # that another process may keep us waiting
SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)
PARTIAL, FOLDER = ".partial-", "straightline-"  # what names of temporary files and folders start with; then the process


def end_with_parent() -> None:
    """On Linux, have this process killed when its parent dies, however that dies.

    DVC killed without warning leaves its stage running otherwise, which overwrites what the next `dvc repro` makes.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def interrupt_on_termination() -> None:
    """Have SIGTERM raise KeyboardInterrupt, as ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def turn(lock: Path, what: str) -> Iterator[None]:
    """Hold the file `lock`, waiting for another process that does. Raises UserError where that takes too long."""
    taken = FileLock(lock)
    try:
        taken.acquire(timeout=0)
    except Timeout:
        print(f"{what}: another process does this in the same folder; waiting for it", flush=True)
        try:
            taken.acquire(timeout=TURN_SECONDS)
        except Timeout:
            raise UserError(
                f"another process has done this in the same folder for {TURN_SECONDS} s; wait for it, or end it"
            ) from None
    try:
        yield
    finally:
        taken.release()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder, which is removed at the end; `clear` removes those of processes that were killed."""
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-") as name:
        yield Path(name)


def clear(root: Path, folders: Sequence[str]) -> None:
    """Remove what dead processes left: temporary folders, and partial files in `root` and below its `folders`."""
    left = [*Path(tempfile.gettempdir()).glob(f"{FOLDER}*"), *root.glob(f"{PARTIAL}*")]
    for path in [*left, *(path for folder in folders for path in (root / folder).rglob(f"{PARTIAL}*"))]:
        owner = re.match(rf"(?:{re.escape(PARTIAL)}|{FOLDER})(\d+)-", path.name)
        if owner is None or psutil.pid_exists(int(owner[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def signature(pid: int | None = None) -> str:
    """Return what tells a process, by default this one, from all others: host, number and start in seconds."""
    process = psutil.Process(pid)
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def is_dead(signed: str) -> bool:
    """Tell whether the process of a `signature` ended; False for one of another host."""
    host, *place = signed.rsplit(" ", 2)
    if host != socket.gethostname() or len(place) != 2:
        return False
    try:
        return signature(int(place[0])) != signed
    except psutil.Error:
        return True
