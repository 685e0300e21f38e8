"""How stacks get their rows from a table that is streamed.

`StreamedFeed` reads a few row groups at a time, and runs one epoch as a series of calls of the program, a block of rows
each.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data.rows import RowNumbers
from straightline.training.batches import epoch_batches, epoch_rows, in_chunks, monitor_batches
from straightline.training.feed import Feed, Stack, others_of
from straightline.training.program import CHUNK, Program


@dataclass(frozen=True)
class _Block:
    """Row groups in memory.

    A group has the row numbers from `first` to `last` (exclusive) in the whole source; the same rows are in `table` at
    these numbers plus `shift`. All three have an entry per group. `table` has room for the largest block, so that all
    blocks have one shape. `steps` is the number of steps to train on the block.
    """

    first: RowNumbers
    last: RowNumbers
    shift: RowNumbers
    table: Any
    steps: int

    def places(self, rows: RowNumbers) -> RowNumbers:
        """Return the places in `table` of those of `rows` (ascending row numbers) that are in the block."""
        bounds = np.searchsorted(rows, np.stack([self.first, self.last]))
        numbers = np.concatenate([rows[first:last] for first, last in bounds.T])
        return numbers + np.repeat(self.shift, np.diff(bounds, axis=0)[0])


class StreamedFeed(Feed):
    """Feeds a streamed table: each epoch draws blocks of row groups anew, and shuffles the rows inside a block.

    This is the method of Xu et al. 2022 (CorgiPile, section 4). A block gets a share of the epoch's steps that equals
    its share of the rows. A replica with fewer rows in the block goes through them more than once. A replica that by
    chance has more rows in it leaves some of them to other epochs.
    """

    epochs = 1

    def __init__(self, *options: Any) -> None:
        super().__init__(*options)
        sizes = np.sort(np.diff(self._source.offsets))[::-1]
        self._room = int(sizes[: self._source.block_groups].sum())
        self._chunks = -(-self._steps(self._room) // CHUNK) + 1
        self._draws = np.random.default_rng(0)  # draws the blocks, which all replicas share

    def fixed_rows(self, lanes: NDArray) -> tuple[Any, Any]:
        """Return None twice, since the table and the monitored rows change with the block."""
        return None, None

    def run(self, program: Program, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Run one epoch: train on all blocks, then compute the monitored losses on all blocks."""
        totals = self._no_losses(stacks)
        for block in self._blocks(self._draws.permutation(self._source.groups), pool):
            list(pool.map(partial(self._train, program, block), stacks, totals))
        self._monitor_all(program, stacks, totals, pool)
        return list(map(partial(self._advance, program), stacks, totals))

    def monitor(self, program: Program, stacks: Sequence[Stack], pool: Executor) -> list[NDArray]:
        """Compute the monitored losses on all blocks."""
        totals = self._no_losses(stacks)
        self._monitor_all(program, stacks, totals, pool)
        return [stack_totals[1, 0].astype(self._dtype) for stack_totals in totals]

    @staticmethod
    def _no_losses(stacks: Sequence[Stack]) -> list[NDArray]:
        """Return zeros for each stack, `(2, 2, replicas)`: (batches, monitored rows) by (sum of losses, row count)."""
        return [np.zeros((2, 2, len(stack.numbers))) for stack in stacks]

    def _monitor_all(self, program: Program, stacks: Sequence[Stack], totals: list[NDArray], pool: Executor) -> None:
        for block in self._blocks(self._source.groups, pool):
            list(pool.map(partial(self._monitor, program, block), stacks, totals))

    def _steps(self, rows: int) -> int:
        """Return the steps that the first `rows` rows of an epoch should have had, rounded up."""
        return -(-self._settings.steps * rows // self._source.rows)

    def _blocks(self, order: NDArray, pool: Executor) -> Iterator[_Block]:
        """Yield the row groups `order` as blocks; `pool` reads the next block while the current one is used."""
        parts = self._source.blocks(order, self._source.block_groups)
        ends = np.cumsum([np.diff(self._source.offsets)[part].sum() for part in parts])
        steps = np.diff([0, *map(self._steps, map(int, ends))])
        coming = pool.submit(self._block, parts[0], steps[0])
        for part, part_steps in zip(parts[1:], steps[1:], strict=True):
            block, coming = coming.result(), pool.submit(self._block, part, part_steps)
            yield block
        yield coming.result()

    def _block(self, groups: NDArray, steps: int) -> _Block:
        table = np.zeros((self._room, self._source.columns + 1 + others_of(self._source)), self._dtype)
        first, last = (self._source.offsets[groups + end].astype(np.int32) for end in (0, 1))
        ends = np.cumsum(last - first, dtype=np.int32)
        table[: ends[-1]] = self._scaled(self._source.read(groups))
        return _Block(first, last, ends - last, tf.constant(table), int(steps))

    def _train(self, program: Program, block: _Block, stack: Stack, totals: NDArray) -> None:
        """Train a stack on a block; add the sums of the losses and the numbers of rows to `totals[0]`."""
        size = self._settings.batch_size
        places = [block.places(self._replicas[number].train) for number in stack.numbers]
        drawn = (
            epoch_batches(replica_places, size, block.steps, 1, self._shuffles[number])
            for replica_places, number in zip(places, stack.numbers, strict=True)
        )
        batches = in_chunks(drawn, (1, self._chunks, CHUNK, self._lanes), size)[0]
        rows = stack.rows._replace(table=block.table)
        stack.state, sums = program.train(stack.state, batches, block.steps, rows)
        counts = [epoch_rows(len(replica_places), size, block.steps) for replica_places in places]
        totals[0] += sums.numpy()[: len(counts)], counts

    def _monitor(self, program: Program, block: _Block, stack: Stack, totals: NDArray) -> None:
        """Add the sums of the monitored losses on a block, and the numbers of rows, to `totals[1]`."""
        places = [block.places(self._replicas[number].monitored) for number in stack.numbers]
        batches = monitor_batches(places, self._lanes, self._room)
        used_chunks = int((batches[:, :, 0] >= 0).any(axis=1).sum())
        rows = stack.rows._replace(table=block.table, monitored=tf.constant(batches))
        sums = program.monitor(stack.state, used_chunks, rows).numpy()
        totals[1] += sums[: len(places)], list(map(len, places))

    def _advance(self, program: Program, stack: Stack, totals: NDArray) -> NDArray:
        """End the epoch of a stack; return the mean losses `(2, replicas, 1)`."""
        sums = np.zeros((2, self._lanes), self._dtype)
        sums[:, : len(stack.numbers)] = totals[:, 0]
        stack.state = program.advance(stack.state, tf.constant(sums[0]), tf.constant(sums[1]), stack.rows.patience)
        return self._means(sums[:, : len(stack.numbers)], stack.numbers, totals[0, 1])[..., np.newaxis]
