"""The progress of a training: a bar with the loss on a terminal, a few plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from straightline.runtime.console import SafeConsole
from straightline.runtime.terminal import say

LINES = 5  # progress lines of a training, about, if the output is not a terminal


@contextmanager
def epochs_shown(title: str, epochs: int) -> Iterator[Callable[[int, NDArray, NDArray], None]]:
    """Yield a callback `on_epoch` for `fit.fit`.

    Two threads may call it; only calls with a later epoch than before are shown.
    """
    console = SafeConsole()
    lock = threading.Lock()
    latest, started = 0, time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=epochs, loss="compiling")

        def on_epoch(epoch: int, losses: NDArray, first: NDArray) -> None:
            nonlocal latest
            with lock:
                if epoch <= latest or not len(losses):
                    return
                step = max(epochs // LINES, 1)
                is_due = epoch // step > latest // step
                latest = epoch
                summary = f"{losses.mean():.5g} (mean of {len(losses)} running)"
                bar.update(task, completed=epoch, loss=summary)
                if not console.is_terminal and is_due:
                    left = (time.monotonic() - started) * (epochs / epoch - 1)
                    text = f"{title}: epoch {epoch} of at most {epochs}, loss {summary}, about {left:.0f} s left"
                    say(text)

        yield on_epoch
