"""The rows that each replica trains on, and the order in which an epoch visits them.

All batches are arrays of row numbers. The number -1 marks an empty place, so that replicas with different numbers of
rows fit into one array.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import RowNumbers

MONITOR_ROWS = 1024  # rows per forward pass of the monitored loss: enough for speed, and they still fit into the cache


@dataclass(frozen=True)
class Replica:
    """One fit: the rows to train on, the rows that early stopping monitors, and a seed.

    Without `validation` rows the replica runs all epochs, and the loss on its training rows decides which epoch was
    best. `learning_rate` and `l2` belong to this replica; None means the value in the settings of the fit. `line`
    `(1 + columns,)` holds the coefficients, intercept first, of the regression that the replica starts from, in the
    units of the columns and of the target.
    """

    train: RowNumbers
    validation: RowNumbers
    seed: int
    learning_rate: float | None = None
    l2: float | None = None
    line: NDArray | None = None

    @property
    def monitored(self) -> RowNumbers:
        """The validation rows, or the training rows if there are no validation rows."""
        return self.validation if len(self.validation) else self.train


def seed_of(numbers: Sequence[int]) -> int:
    """Return a seed that depends on all of `numbers`."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def epoch_batches(
    rows: RowNumbers, size: int, steps: int, epochs: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return shuffled row numbers `(epochs, steps, size)`; within an epoch no row repeats before all have been seen.

    The last batch of a pass over the rows may be smaller; its empty places hold -1. Epochs drawn one by one equal
    epochs drawn in one call.
    """
    if not len(rows):
        return np.full((epochs, steps, size), -1)
    full = -(-len(rows) // size)
    passes = -(-steps // full)
    # NumPy shuffles 8-byte words fastest, and `permuted` releases Python's global lock.
    batches = np.empty((epochs * passes, full * size), np.int64)
    batches[:, len(rows) :] = -1
    shuffled = batches[:, : len(rows)]
    shuffled[:] = rows
    random.permuted(shuffled, axis=1, out=shuffled)
    return batches.reshape(epochs, passes * full, size)[:, :steps]


def epoch_rows(rows: int, size: int, steps: int) -> int:
    """Return the number of rows in the batches of one epoch, empty places excluded, for `rows` training rows."""
    passes, remaining_steps = divmod(steps, max(-(-rows // size), 1))
    return passes * rows + min(remaining_steps * size, rows)


def in_chunks(replicas: Iterable[NDArray[np.int64]], shape: tuple[int, int, int, int], size: int) -> NDArray[np.int32]:
    """Join the batches `(epochs, steps, size)` of the replicas of a stack into one array `(*shape, size)`.

    `shape` is (epochs, chunks per epoch, steps per chunk, lanes). Each of these may be larger than needed; the places
    that stay empty hold -1.
    """
    epochs, chunks, steps, lanes = shape
    joined = np.full((epochs, chunks * steps, lanes, size), -1, np.int32)
    for lane, batches in enumerate(replicas):
        joined[: batches.shape[0], : batches.shape[1], lane] = batches
    return joined.reshape(*shape, size)


def monitor_batches(rows: Sequence[RowNumbers], lanes: int, room: int) -> NDArray[np.int32]:
    """Return the monitored row numbers of each lane as `(chunks, lanes, rows)`.

    Every lane has room for at least `room` rows; its empty places hold -1.
    """
    size = min(MONITOR_ROWS, room)
    joined = np.full((lanes, -(-room // size) * size), -1, np.int32)
    for numbers, lane in zip(rows, joined, strict=False):
        lane[: len(numbers)] = numbers
    return np.ascontiguousarray(joined.reshape(lanes, -1, size).swapaxes(0, 1))
