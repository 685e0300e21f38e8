"""How stacks get their rows from a table in memory.

A feed runs the compiled program on the stacks. It draws the order of each replica's rows, hands the row numbers to the
program, and returns the losses. `HeldFeed` keeps all rows in memory and runs several epochs per call of the program;
`streamed_feed.py` has the feed for a table that is too large for that.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.data.scaling import Scaling
from straightline.data.source import Source
from straightline.training.batches import Replica, epoch_batches, epoch_rows, in_chunks, monitor_batches
from straightline.training.program import CHUNK, Program
from straightline.training.state import Settings, StackRows, State

CALL = 16_384  # replica-steps that one call of the program should run, since a call itself costs milliseconds


@dataclass
class Stack:
    """Replicas that are trained together.

    The replicas `numbers` are in the first lanes; further lanes repeat replicas, and their results are ignored. `state`
    is the progress so far, and `rows` are the rows and numbers that the program needs.
    """

    numbers: NDArray
    state: State
    rows: StackRows

    @property
    def ended(self) -> NDArray:
        """Whether each replica in `numbers` has ended, `(replicas,)`."""
        return (self.state.since >= self.rows.patience).numpy()[: len(self.numbers)]


def others_of(source: Source) -> int:
    """Return the number of columns after the target in the table of a feed."""
    return int(source.has_weights) + int(source.has_offset)


class Feed:
    """Trains stacks for some epochs at a time.

    The order of a replica's rows depends on its seed alone, not on the other replicas. `overall` standardizes all rows
    once, in float64, because a column far from zero would lose its digits in `dtype`. `lanes` is the size of the
    stacks, and the attribute `epochs` is the number of epochs per call of `run`. `monitored_totals` `(replicas,)` are
    the sums of the weights of the rows that each replica monitors, where the rows that it trains on have weights with
    the mean 1. `mean_weight` is the mean weight of all rows.
    """

    epochs: int

    def __init__(
        self,
        source: Source,
        overall: Scaling,
        dtype: str,
        replicas: Sequence[Replica],
        settings: Settings,
        lanes: int,
        monitored_totals: NDArray,
        mean_weight: float,
    ) -> None:
        self._source = source
        self._monitored_totals = monitored_totals
        self._mean_weight = mean_weight
        self._overall = overall
        self._dtype = dtype
        self._replicas = replicas
        self._settings = settings
        self._lanes = lanes
        self._shuffles = [np.random.default_rng([replica.seed, 1]) for replica in replicas]

    def fixed_rows(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return `table` and `monitored` of `StackRows` for the replicas `lanes`, or None if they change with calls."""
        raise NotImplementedError

    def prepare(self, program: Program, rows: StackRows) -> Callable[[], object]:
        """Trace the program for the `rows` of any stack if the shapes are known; return a function that compiles it."""
        return lambda: None

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Train the stacks for `epochs` epochs, each on a thread of `pool`, and update their states.

        Returns for each stack the losses of its replicas `(2, replicas, epochs)`: on the batches, and on the monitored
        rows. They are means over rows, in the units of the scaled target.
        """
        raise NotImplementedError

    def monitor(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Return for each stack the sums `(replicas,)` of the losses on the monitored rows.

        They are in the units of the scaled target.
        """
        raise NotImplementedError

    def _scaled(self, rows: Rows) -> NDArray:
        """Return the standardized rows in `dtype`: columns, target, weights and offsets, if there are any.

        The weights have the mean 1.
        """
        columns, target = rows.features.shape[1], self._overall.target
        table = np.empty((len(rows), columns + 1 + others_of(self._source)), self._dtype)
        table[:, :columns] = (rows.features - self._overall.center) / self._overall.scale
        table[:, columns] = (rows.labels - target.center) / target.scale
        if rows.weights is not None:
            table[:, columns + 1] = rows.weights / self._mean_weight
        if rows.offset is not None:
            table[:, -1] = rows.offset - self._overall.offset_center
        return table

    def _means(self, sums: NDArray, numbers: NDArray, visited: NDArray) -> NDArray:
        """Return the mean losses from sums `(2, replicas, ...)` over `visited` training rows and monitored rows.

        `numbers` are those of the replicas. The weights of the visited rows are taken to have the mean 1.
        """
        totals = np.array([visited, self._monitored_totals[numbers]])
        return sums / np.where(totals > 0, totals, 1.0).reshape(*totals.shape, *[1] * (sums.ndim - 2))


class HeldFeed(Feed):
    """Feeds a table in memory: every epoch visits all rows of a replica in a new order."""

    def __init__(
        self,
        source: Source,
        overall: Scaling,
        dtype: str,
        replicas: Sequence[Replica],
        settings: Settings,
        lanes: int,
        *weights: Any,
    ) -> None:
        super().__init__(source, overall, dtype, replicas, settings, lanes, *weights)
        self._table = tf.constant(self._scaled(source.read(source.groups)))
        monitored = [replica.monitored for replica in replicas]
        self._monitored = monitor_batches(monitored, len(monitored), max(map(len, monitored)))
        # Enough epochs to pay for the call, but at most half the patience, after which replicas may have ended, and at
        # most an eighth of all epochs, after which replicas may be dropped.
        wanted = CALL // (lanes * settings.steps)
        self.epochs = int(np.clip(wanted, 1, max(min(settings.patience // 2, settings.epochs // 8), 1)))
        # The batches have the same shape in every call, also in a last one of fewer epochs.
        self._shape = (self.epochs, -(-settings.steps // CHUNK), CHUNK, lanes)

    def fixed_rows(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return the whole table, and the monitored rows of these replicas."""
        return self._table, tf.constant(self._monitored[:, lanes])

    def prepare(self, program: Program, rows: StackRows) -> Callable[[], object]:
        """Trace the program; return a function that compiles it by a call that runs no epochs."""
        state, batches = program.blank(), in_chunks([], self._shape, self._settings.batch_size)
        program.trace(state, batches, rows)
        return partial(program, state, batches, 0, rows)

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Run one call of the program for each stack."""
        return list(pool.map(partial(self._run, program, epochs), stacks))

    def monitor(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Run one call of the program for each stack."""
        chunks = self._monitored.shape[0]
        sums = pool.map(lambda stack: program.monitor(stack.state, chunks, stack.rows).numpy(), stacks)
        return [lane_sums[: len(stack.numbers)] for lane_sums, stack in zip(sums, stacks, strict=True)]

    def _run(self, program: Program, epochs: int, stack: Stack) -> NDArray:
        size, steps = self._settings.batch_size, self._settings.steps
        replicas = [self._replicas[number] for number in stack.numbers]
        drawn = (
            epoch_batches(replica.train, size, steps, epochs, self._shuffles[number])
            for replica, number in zip(replicas, stack.numbers, strict=True)
        )
        batches = in_chunks(drawn, self._shape, size)
        stack.state, sums = program(stack.state, batches, epochs, stack.rows)
        visited = np.array([epoch_rows(len(replica.train), size, steps) for replica in replicas])
        return self._means(np.moveaxis(sums.numpy()[:epochs, :, : len(replicas)], 0, -1), stack.numbers, visited)
