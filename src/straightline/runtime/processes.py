"""End a process with its parent, let processes take turns, and remove the temporary files of killed processes."""

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

TURN_SECONDS = 600  # The longest wait for another process, in seconds.
INIT = 1  # the number of the first process, which adopts those whose parent has died
SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2).
PARTIAL, FOLDER = ".partial-", "straightline-"  # Prefixes of temporary files and folders; the process id follows.


def end_with_parent() -> None:
    """On Linux, have this process killed when its parent dies for any reason.

    Otherwise, a killed DVC would leave its stage running, and the stage would overwrite the files of the next
    `dvc repro`. A stage that DVC started and whose parent is the first process of the machine has lost DVC already,
    while it was importing TensorFlow; it is killed at once.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        has_lost_dvc = parent == INIT and "DVC_STAGE" in os.environ
        if os.getppid() != parent or has_lost_dvc:
            os.kill(os.getpid(), signal.SIGKILL)


def end_only_with_parent() -> None:
    """Have this process ignore Ctrl-C, which its parent handles, and end when its parent dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def interrupt_on_termination() -> None:
    """Make SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@contextmanager
def turn(lock: Path, title: str) -> Iterator[None]:
    """Hold the lock file `lock`, after waiting for another process that holds it.

    The message about waiting starts with `title`. Raises UserError if the wait takes longer than TURN_SECONDS.
    """
    file_lock = FileLock(lock)
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        print(f"{title}: another process is doing this in the same folder; waiting for it to end", flush=True)
        try:
            file_lock.acquire(timeout=TURN_SECONDS)
        except Timeout:
            raise UserError(
                f"another process has been doing this in the same folder for {TURN_SECONDS} s; wait for it, or end it"
            ) from None
    try:
        yield
    finally:
        file_lock.release()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder and remove it at the end. `clear` removes the folders of killed processes."""
    with tempfile.TemporaryDirectory(prefix=f"{FOLDER}{os.getpid()}-") as name:
        yield Path(name)


def clear(root: Path, folders: Sequence[str]) -> None:
    """Remove temporary folders of dead processes, and their partial files in `root` and below its `folders`."""
    paths = [*Path(tempfile.gettempdir()).glob(f"{FOLDER}*"), *root.glob(f"{PARTIAL}*")]
    for path in [*paths, *(path for folder in folders for path in (root / folder).rglob(f"{PARTIAL}*"))]:
        owner = re.match(rf"(?:{re.escape(PARTIAL)}|{FOLDER})(\d+)-", path.name)
        if owner is None or psutil.pid_exists(int(owner[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def signature(pid: int | None = None) -> str:
    """Return a text that identifies a process, by default this one: its host, its id and its start in seconds."""
    process = psutil.Process(pid)
    return f"{socket.gethostname()} {process.pid} {process.create_time():.0f}"


def is_dead(signed: str) -> bool:
    """Return whether the process with the signature `signed` has ended. A process of another host gives False."""
    host, *id_and_start = signed.rsplit(" ", 2)
    if host != socket.gethostname() or len(id_and_start) != 2:
        return False
    try:
        return signature(int(id_and_start[0])) != signed
    except psutil.Error:
        return True
