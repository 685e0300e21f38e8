"""End a process with its parent, and let processes take turns."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil
from filelock import FileLock, Timeout

from straightline.errors import UserError
from straightline.runtime.terminal import say

TURN_SECONDS = 600  # The longest wait for another process, in seconds.
INIT = 1  # the number of the first process, which adopts those whose parent has died
SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2).


def end_with_parent() -> None:
    """On Linux, have this process killed when its parent dies for any reason.

    Otherwise, a killed DVC would leave its stage running, and the stage would overwrite the files of the next
    `dvc repro`. A stage that DVC started and whose parent is the first process of the machine has lost DVC already,
    while it was importing TensorFlow; it is killed at once. In a container the first process may be DVC itself.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        has_lost_dvc = parent == INIT and "DVC_STAGE" in os.environ and not _is_dvc(INIT)
        if os.getppid() != parent or has_lost_dvc:
            os.kill(os.getpid(), signal.SIGKILL)


def _is_dvc(pid: int) -> bool:
    try:
        words = psutil.Process(pid).cmdline()[:3]  # dvc, python .../bin/dvc, or python -m dvc
    except psutil.Error:
        return False
    return "dvc" in [Path(word).name for word in words]


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
        say(f"{title}: another process is doing this in the same folder; waiting for it to end")
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
