"""Streams the losses of a training into MLflow while it runs, by another process (the setting `tracking.live`)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from straightline.errors import UserError
from straightline.runtime.terminal import say
from straightline.tracking.messages import Finished, Losses
from straightline.tracking.publisher import Publisher

EVERY_SECONDS = 1.0  # the shortest time between two messages


class Stream:
    """Sends the losses of a training to `publisher`, or nowhere if it is None."""

    def __init__(self, publisher: Publisher | None, has_validation: bool) -> None:
        self._publisher = publisher
        self._has_validation = has_validation
        self._sent = 0
        self._last = -np.inf
        self._waiting: NDArray = np.empty((2, 0))

    def on_epoch(self, epoch: int, running: NDArray, first: NDArray) -> None:
        """Send the new losses of the first replica, the final model. This is the callback of `fit.fit`."""
        self._waiting = first
        if time.monotonic() - self._last >= EVERY_SECONDS:
            self._send()

    def finish(self, history: str) -> None:
        """Send the remaining losses and wait until MLflow has them. `history` is the MD5 of history.csv.

        If the store cannot be used, a message is printed; the training itself is not affected.
        """
        if self._publisher is None:
            return
        self._send()
        self._publisher.send(Finished(history))
        try:
            self._publisher.close()
        except UserError as error:
            say(f"train: not streamed: {error}")

    def _send(self) -> None:
        new = self._waiting[:, self._sent :]
        if self._publisher is not None and new.shape[1]:
            self._publisher.send(Losses(self._sent, new[0], new[1] if self._has_validation else None))
            self._sent, self._last = self._waiting.shape[1], time.monotonic()


@contextmanager
def losses_streamed(root: Path, target: str, model: str, has_validation: bool, live: bool) -> Iterator[Stream]:
    """Yield the stream of a training. Without a call of `finish`, MLflow shows its run as KILLED."""
    if not live:
        yield Stream(None, has_validation)
        return
    with Publisher("straightline.tracking.live_runs", root, target, model) as publisher:
        yield Stream(publisher, has_validation)
