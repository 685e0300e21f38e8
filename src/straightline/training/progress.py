"""The progress of a training: a bar with the loss on a terminal, a few plain lines elsewhere."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from straightline.runtime.console import SafeConsole
from straightline.runtime.steps import step


@contextmanager
def epochs_shown(title: str, epochs: int) -> Iterator[Callable[[int, NDArray, NDArray], None]]:
    """Yield a callback `on_epoch` for `fit.fit`.

    Two threads may call it; only calls with a later epoch than before are shown.
    """
    console = SafeConsole()
    lock = threading.Lock()
    latest, started = 0, monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    bar_of_epochs = Progress(*columns, console=console, disable=not console.is_terminal)
    with bar_of_epochs as bar, step(title, is_shown=not console.is_terminal) as reached:
        task = bar.add_task(title, total=epochs, loss="compiling")

        def on_epoch(epoch: int, losses: NDArray, first: NDArray) -> None:
            nonlocal latest
            with lock:
                if epoch <= latest or not len(losses):
                    return
                latest = epoch
                summary = f"{losses.mean():.5g} (mean of {len(losses)} running)"
                bar.update(task, completed=epoch, loss=summary)
                left = (monotonic() - started) * (epochs / epoch - 1)
                reached(f"epoch {epoch} of at most {epochs}, loss {summary}, about {left:.0f} s left")

        yield on_epoch
