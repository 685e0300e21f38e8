"""Which rows a replica trains on and is watched by, in which order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.folds import Rows

MONITOR_ROWS = 1024  # rows of a forward pass of the monitored loss: large for speed, small enough for the cache


@dataclass(frozen=True)
class Replica:
    """One fit: the rows to train on, those whose loss decides when to stop, and a seed.

    Without `validation` it runs all epochs, and the loss on the training rows decides which epoch was best.
    """

    train: Rows
    validation: Rows
    seed: int

    @property
    def monitored(self) -> Rows:
        """The rows whose loss is watched."""
        return self.validation if len(self.validation) else self.train


def epoch_batches(rows: Rows, size: int, count: int, random: np.random.Generator) -> NDArray[np.int32]:
    """Return row numbers `(steps, batch)`, every row once before any comes again; what a last batch lacks is -1."""
    passes, steps = [], 0
    while steps < count:
        passes.append(_in_batches(random.permutation(rows), size))
        steps += len(passes[-1])
    return np.concatenate(passes)[:count]


def monitor_batches(rows: Sequence[Rows]) -> NDArray[np.int32]:
    """Return row numbers as `(steps, replicas, rows)`, -1 where a replica has no more."""
    longest = max(map(len, rows))
    padded = [np.concatenate([own, np.full(longest - len(own), -1, own.dtype)]) for own in rows]
    return np.stack([_in_batches(own, min(MONITOR_ROWS, longest)) for own in padded], axis=1)


def _in_batches(rows: Rows, size: int) -> NDArray[np.int32]:
    batches = np.full(-(-len(rows) // size) * size, -1, dtype=np.int32)
    batches[: len(rows)] = rows
    return batches.reshape(-1, size)
