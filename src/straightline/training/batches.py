"""Which rows a replica trains on and is watched by, in which order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import RowNumbers

MONITOR_ROWS = 1024  # rows of a forward pass of the monitored loss: large for speed, small enough for the cache


@dataclass(frozen=True)
class Replica:
    """One fit: the rows to train on, those whose loss decides when to stop, and a seed.

    Without `validation` it runs all epochs, and the loss on the training rows decides which epoch was best.
    `learning_rate` and `l2` are its own, or None for those of the stack. `line` `(1 + columns,)` are the coefficients,
    intercept first, of the regression that it starts from, in the columns' and the target's own units.
    """

    train: RowNumbers
    validation: RowNumbers
    seed: int
    learning_rate: float | None = None
    l2: float | None = None
    line: NDArray | None = None

    @property
    def monitored(self) -> RowNumbers:
        """The rows whose loss is watched."""
        return self.validation if len(self.validation) else self.train


def epoch_batches(
    rows: RowNumbers, size: int, steps: int, epochs: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return row numbers `(epochs, steps, size)`, in each epoch every row once before any comes again.

    What a last, smaller batch lacks is -1. Epochs drawn one by one are those drawn at once.
    """
    if not len(rows):
        return np.full((epochs, steps, size), -1)
    full = -(-len(rows) // size)
    passes = -(-steps // full)
    # NumPy shuffles words of 8 bytes fastest, and in `permuted` without Python's lock.
    batches = np.empty((epochs * passes, full * size), np.int64)
    batches[:, len(rows) :] = -1
    shuffled = batches[:, : len(rows)]
    shuffled[:] = rows
    random.permuted(shuffled, axis=1, out=shuffled)
    return batches.reshape(epochs, passes * full, size)[:, :steps]


def epoch_rows(rows: int, size: int, steps: int) -> int:
    """Return how many of the row numbers of an epoch's batches are none of -1, where `rows` are trained on."""
    passes, more = divmod(steps, max(-(-rows // size), 1))
    return passes * rows + min(more * size, rows)


def in_chunks(replicas: Iterable[NDArray[np.int64]], shape: tuple[int, int, int, int], size: int) -> NDArray[np.int32]:
    """Join batches `(epochs, steps, size)` of replicas into `(*shape, size)`, -1 where some lack.

    `shape` is that of (epochs, chunks of an epoch, steps of a chunk, lanes), with room for as many or more of each.
    """
    epochs, chunks, chunk, lanes = shape
    joined = np.full((epochs, chunks * chunk, lanes, size), -1, np.int32)
    for lane, batches in enumerate(replicas):
        joined[: batches.shape[0], : batches.shape[1], lane] = batches
    return joined.reshape(*shape, size)


def monitor_batches(rows: Sequence[RowNumbers], lanes: int, room: int) -> NDArray[np.int32]:
    """Return row numbers `(steps, lanes, rows)` with room for `room` rows of a lane, -1 where a lane has no more."""
    size = min(MONITOR_ROWS, room)
    joined = np.full((lanes, -(-room // size) * size), -1, np.int32)
    for own, line in zip(rows, joined, strict=False):
        line[: len(own)] = own
    return np.ascontiguousarray(joined.reshape(lanes, -1, size).swapaxes(0, 1))
