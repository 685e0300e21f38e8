"""How stacks get their rows: from a table that is held, or block by block from one that is streamed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data.rows import RowNumbers, Rows
from straightline.data.scaling import Scaling
from straightline.data.source import Source
from straightline.training.batches import Replica, epoch_batches, epoch_rows, in_chunks, monitor_batches
from straightline.training.program import CHUNK, Program, Settings, StackRows, State

CALL = 16_384  # replica-steps that a call of the program should have, since one costs milliseconds by itself


@dataclass
class Stack:
    """Replicas `numbers` in the first lanes of a stack, what they have reached, and what they see."""

    numbers: NDArray
    state: State
    rows: StackRows

    @property
    def ended(self) -> NDArray:
        """Which of its replicas have ended."""
        return (self.state.since >= self.rows.patience).numpy()[: len(self.numbers)]


class Feed:
    """Moves stacks some epochs further; which rows a replica sees when depends on no other replica.

    `overall` scales all rows once, in float64, since a column far from zero would lose its digits in `dtype`. `lanes`
    is the size of the stacks, `epochs` how many a call runs.
    """

    epochs: int

    def __init__(
        self, source: Source, overall: Scaling, dtype: str, replicas: Sequence[Replica], settings: Settings, lanes: int
    ) -> None:
        self._source = source
        self._overall = overall
        self._dtype = dtype
        self._replicas = replicas
        self._settings = settings
        self._lanes = lanes
        self._shuffles = [np.random.default_rng([one.seed, 1]) for one in replicas]

    def seen(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return `table` and `monitored` of the rows that the replicas `lanes` see in every call, or None."""
        raise NotImplementedError

    def prepare(self, program: Program, rows: StackRows) -> Callable[[], object]:
        """Trace what can be, given what some stack sees, and return what compiles it."""
        return lambda: None

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Run `epochs` epochs; return the losses of each stack's replicas, in scaled units, `(2, replicas, epochs)`."""
        raise NotImplementedError

    def watch(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Return the sums of the losses on each stack's monitored rows, in scaled units, `(replicas,)`."""
        raise NotImplementedError

    def _scaled(self, rows: Rows) -> NDArray:
        table = np.empty((len(rows), rows.features.shape[1] + 1), self._dtype)
        table[:, :-1] = (rows.features - self._overall.center) / self._overall.scale
        table[:, -1] = (rows.labels - self._overall.target_center) / self._overall.target_scale
        return table


class HeldFeed(Feed):
    """All rows at once: every epoch is a new order of all of a replica's rows."""

    def __init__(
        self, source: Source, overall: Scaling, dtype: str, replicas: Sequence[Replica], settings: Settings, lanes: int
    ) -> None:
        super().__init__(source, overall, dtype, replicas, settings, lanes)
        self._table = tf.constant(self._scaled(source.read(source.groups)))
        watched = [one.monitored for one in replicas]
        self._monitored = monitor_batches(watched, len(watched), max(map(len, watched)))
        fitting = CALL // (lanes * settings.steps)
        self.epochs = int(np.clip(fitting, 1, max(min(settings.patience // 2, settings.epochs), 1)))
        self._shape = (self.epochs, -(-settings.steps // CHUNK), CHUNK, lanes)  # whatever the epochs of a call

    def seen(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return the table and the monitored rows."""
        return self._table, tf.constant(self._monitored[:, lanes])

    def prepare(self, program: Program, rows: StackRows) -> Callable[[], object]:
        """Return what runs no epochs."""
        state, batches = program.blank(), in_chunks([], self._shape, self._settings.batch_size)
        program.trace(state, batches, rows)
        return partial(program, state, batches, 0, rows)

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Run one call of the program for each stack."""
        return list(pool.map(partial(self._run, program, epochs), stacks))

    def watch(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Run one call of the program for each stack."""
        chunks = self._monitored.shape[0]
        found = pool.map(lambda one: program.monitor(one.state, chunks, one.rows).numpy(), stacks)
        return [sums[: len(one.numbers)] for sums, one in zip(found, stacks, strict=True)]

    def _run(self, program: Program, epochs: int, one: Stack) -> NDArray:
        how = self._settings
        drawn = (
            epoch_batches(self._replicas[number].train, how.batch_size, how.steps, epochs, self._shuffles[number])
            for number in one.numbers
        )
        batches = in_chunks(drawn, self._shape, how.batch_size)
        one.state, sums = program(one.state, batches, epochs, one.rows)
        replicas = [self._replicas[number] for number in one.numbers]
        trained = [epoch_rows(len(replica.train), how.batch_size, how.steps) for replica in replicas]
        rows = np.array([trained, [len(replica.monitored) for replica in replicas]])
        return np.moveaxis(sums.numpy()[:epochs, :, : len(replicas)], 0, -1) / rows[..., np.newaxis]


@dataclass(frozen=True)
class _Block:
    """Rows in memory: those from `first` to `last` of each group are `shift` further on in `table`.

    `table` has room for more rows; `steps` is how many they are trained on.
    """

    first: RowNumbers
    last: RowNumbers
    shift: RowNumbers
    table: Any
    steps: int

    def places(self, rows: RowNumbers) -> RowNumbers:
        """Return where in `table` those of `rows`, ascending, are that it has."""
        bounds = np.searchsorted(rows, np.stack([self.first, self.last]))
        found = np.concatenate([rows[first:last] for first, last in bounds.T])
        return found + np.repeat(self.shift, np.diff(bounds, axis=0)[0])


class StreamedFeed(Feed):
    """Blocks of some row groups, drawn anew for each epoch, their rows shuffled (Xu et al. 2022, CorgiPile, section 4).

    A block's share of an epoch's steps is its share of the rows. A replica with fewer rows in it goes through them more
    than once; one that by chance has more leaves some to other epochs.
    """

    epochs = 1

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        sizes = np.sort(np.diff(self._source.offsets))[::-1]
        self._room = int(sizes[: self._source.block_groups].sum())
        self._chunks = -(-self._steps(self._room) // CHUNK) + 1
        self._draws = np.random.default_rng(0)  # of blocks, which all replicas share

    def seen(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return None, since both change with the block."""
        return None, None

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Train on all blocks, then watch the loss on all."""
        losses = [np.zeros((2, 2, len(one.numbers))) for one in stacks]
        for block in self._blocks(self._draws.permutation(self._source.groups), pool):
            list(pool.map(partial(self._train, program, block), stacks, losses))
        self._monitor_all(program, stacks, losses, pool)
        return list(map(partial(self._advance, program), stacks, losses))

    def watch(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Watch the loss on all blocks."""
        losses = [np.zeros((2, 2, len(one.numbers))) for one in stacks]
        self._monitor_all(program, stacks, losses, pool)
        return [own[1, 0].astype(self._dtype) for own in losses]

    def _monitor_all(self, program: Program, stacks: Sequence[Stack], losses: list[NDArray], pool: Executor) -> None:
        for block in self._blocks(self._source.groups, pool):
            list(pool.map(partial(self._monitor, program, block), stacks, losses))

    def _steps(self, rows: int) -> int:
        return -(-self._settings.steps * rows // self._source.rows)

    def _blocks(self, order: NDArray, pool: Executor) -> Iterator[_Block]:
        parts = self._source.blocks(order, self._source.block_groups)
        ends = np.cumsum([np.diff(self._source.offsets)[part].sum() for part in parts])
        steps = np.diff([0, *map(self._steps, map(int, ends))])
        coming = pool.submit(self._block, parts[0], steps[0])
        for part, own in zip(parts[1:], steps[1:], strict=True):
            block, coming = coming.result(), pool.submit(self._block, part, own)  # a block ahead
            yield block
        yield coming.result()

    def _block(self, groups: NDArray, steps: int) -> _Block:
        table = np.zeros((self._room, self._source.columns + 1), self._dtype)
        first, last = (self._source.offsets[groups + end].astype(np.int32) for end in (0, 1))
        ends = np.cumsum(last - first, dtype=np.int32)
        table[: ends[-1]] = self._scaled(self._source.read(groups))
        return _Block(first, last, ends - last, tf.constant(table), int(steps))

    def _train(self, program: Program, block: _Block, one: Stack, losses: NDArray) -> None:
        how = self._settings
        places = [block.places(self._replicas[number].train) for number in one.numbers]
        drawn = (
            epoch_batches(own, how.batch_size, block.steps, 1, self._shuffles[number])
            for own, number in zip(places, one.numbers, strict=True)
        )
        batches = in_chunks(drawn, (1, self._chunks, CHUNK, self._lanes), how.batch_size)[0]
        one.state, sums = program.train(one.state, batches, block.steps, one.rows._replace(table=block.table))
        rows = [epoch_rows(len(own), how.batch_size, block.steps) for own in places]
        losses[0] += sums.numpy()[: len(rows)], rows

    def _monitor(self, program: Program, block: _Block, one: Stack, losses: NDArray) -> None:
        places = [block.places(self._replicas[number].monitored) for number in one.numbers]
        batches = monitor_batches(places, self._lanes, self._room)
        used = int((batches[:, :, 0] >= 0).any(axis=1).sum())
        rows = one.rows._replace(table=block.table, monitored=tf.constant(batches))
        losses[1] += program.monitor(one.state, used, rows).numpy()[: len(places)], list(map(len, places))

    def _advance(self, program: Program, one: Stack, losses: NDArray) -> NDArray:
        sums = np.zeros((2, self._lanes), self._dtype)
        sums[:, : len(one.numbers)] = losses[:, 0]
        one.state = program.advance(one.state, tf.constant(sums[0]), tf.constant(sums[1]), one.rows.patience)
        return (sums[:, : len(one.numbers)] / np.maximum(losses[:, 1], 1))[..., np.newaxis]
