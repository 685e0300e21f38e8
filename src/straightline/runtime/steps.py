"""Say what a process is doing if nothing has been printed for a while."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from straightline.runtime import terminal

FIRST = 1.5  # Seconds of silence before a line. The waits about one step double, ...
LONGEST = 10.0  # ... but are at most so many seconds.
PULSE = 0.25  # Seconds between two looks at what is done.


@dataclass
class _Step:
    title: str
    is_shown: bool
    started: float
    since: float  # the time at which no part of it was a step any more
    reached: str = ""


_running: list[_Step] = []  # Each step is a part of the one before it.


@contextmanager
def step(title: str, is_shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Print a line whenever the block has been silent for a while, with the titles of all steps around it.

    Yield a function that takes how far the block has come, such as `3 of 10 folds`. If a part of the block is a step
    itself, the line is about that step. Set `is_shown` to False if the block shows its progress in another way. Only
    the main thread of a process may enter steps.
    """
    now, ended = _Step(title, is_shown, monotonic(), monotonic()), threading.Event()
    _running.append(now)
    watch = threading.Thread(target=_watch, args=(ended,), daemon=True) if len(_running) == 1 else None
    if watch is not None:
        watch.start()
    try:
        yield lambda reached: setattr(now, "reached", reached)
    finally:
        ended.set()
        if watch is not None:
            watch.join()
        _running.remove(now)
        if _running:
            _running[-1].since = monotonic()


def line(silence: float) -> str | None:
    """Return what to print after `silence` seconds without a line, or None if it is too early for one."""
    *around, now = _running
    if not now.is_shown or silence < min(max((monotonic() - now.since) / 2, FIRST), LONGEST):
        return None
    words = [*(each.title for each in around), now.title, *filter(None, [now.reached])]
    seconds = round(monotonic() - now.started)
    return ": ".join(words) + (f" ({seconds} s so far)" if seconds else "")


def _watch(ended: threading.Event) -> None:
    while not ended.wait(PULSE):
        if text := line(monotonic() - terminal.said()):
            terminal.say(text)
