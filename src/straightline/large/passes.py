"""Passes over the rows of a large table: pure functions of leaves, whose results are joined in a fixed tree.

Whoever computes the leaves, the results are the same bits: NODE leaves are joined one after the other to a node, and
nodes one after the other to the whole.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from straightline.data.passes import Pass, either
from straightline.data.rows import joined
from straightline.large.division import Division
from straightline.large.table import Block, LargeTable, Leaf
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS

NODE = 16  # leaves of a node

Task = Callable[[Leaf], Any]
Combine = Callable[[Any, Any], Any]
Result = TypeVar("Result")


class Engine(Protocol):
    """Whoever computes: the threads of this process, or a cluster. Its nodes see the files beside that of the table."""

    @property
    def is_remote(self) -> bool:
        """Whether tasks run in other processes."""

    def nodes(self, task: Task, combine: Combine, nodes: Sequence[Sequence[Leaf]]) -> Iterator[Any]:
        """Yield for each node the results of `task` on its leaves, joined by `combine` one after the other."""

    def shares(self, count: int) -> list[range]:
        """Return the numbers below `count` in neighbourhoods, one for each task that trains networks."""

    def each(self, train: Callable[[range], Result], shares: Sequence[range], title: str) -> list[Result]:
        """Return the results of `train`, which uses THREADS threads, on each of `shares`."""


@dataclass(frozen=True)
class Threads:
    """The threads of this process."""

    workers: int = THREADS
    is_remote: bool = False

    def shares(self, count: int) -> list[range]:
        """Return all numbers in one neighbourhood, since networks share the steps of their training."""
        return [range(count)]

    def each(self, train: Callable[[range], Result], shares: Sequence[range], title: str) -> list[Result]:
        """Return the results of `train` on one of `shares` after the other."""
        return list(map(train, shares))

    def nodes(self, task: Task, combine: Combine, nodes: Sequence[Sequence[Leaf]]) -> Iterator[Any]:
        """Yield the result of each node; leaves of the next node are computed while the last ones of a node are."""
        # Several threads of BLAS would wait for each other, and change the last digits.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(self.workers) as pool:
            results = pool.map(task, [leaf for node in nodes for leaf in node])
            for node in nodes:
                yield reduce(combine, islice(results, len(node)))


THREADED = Threads()


def reduced(table: LargeTable, task: Task, combine: Combine, title: str, engine: Engine = THREADED) -> Any:
    """Return the results of `task` on all leaves of `table`, joined by `combine` in the fixed tree.

    If it takes long, lines about `title` say how far it is.
    """
    leaves = table.leaves
    nodes = [leaves[first : first + NODE] for first in range(0, len(leaves), NODE)]
    with step(title) as reached:
        return reduce(combine, _counted(engine.nodes(task, combine, nodes), nodes, table.rows, reached))


def _counted(
    results: Iterable[Any], nodes: Sequence[Sequence[Leaf]], rows: int, reached: Callable[[str], None]
) -> Iterator[Any]:
    ends = [*(node[0].first_row for node in nodes[1:]), rows]
    for result, end in zip(results, ends, strict=True):
        yield result
        reached(f"{end:,} of {rows:,} rows")


def by_cell(
    table: LargeTable, division: Division, passes: Sequence[Pass], title: str, engine: Engine = THREADED
) -> list[list[Any]]:
    """Return the results of each of `passes` on the rows of each cell, `[pass][cell]`; None for a cell without rows."""
    task = partial(_cells, table, division, passes)
    found: list[list[Any]] = reduced(table, task, partial(_joined_cells, passes), title, engine)
    return found


def _cells(table: LargeTable, division: Division, passes: Sequence[Pass], leaf: Leaf) -> list[list[Any]]:
    block = table.read(leaf)
    parts = [block.rows.take(places) for places in places_of_cells(division, block)]
    return [[each.compute(part) if len(part) else None for part in parts] for each in passes]


def places_of_cells(division: Division, block: Block) -> list[Any]:
    """Return the places in `block` of the rows of each cell."""
    cells = division.cells_of(block.keys)
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.searchsorted(cells[order], np.arange(1, division.cells)))


def _joined_cells(passes: Sequence[Pass], first: list[list[Any]], second: list[list[Any]]) -> list[list[Any]]:
    return [
        [either(each.combine, one, other) for one, other in zip(*cells, strict=True)]
        for each, *cells in zip(passes, first, second, strict=True)
    ]


def collected(table: LargeTable, size: int, title: str, engine: Engine = THREADED) -> Block:
    """Return the rows of the sample of about `size` rows, in their order."""
    parts: list[Block] = reduced(table, partial(_sampled, table, size), _appended, title, engine)
    return joined_blocks(parts)


def _sampled(table: LargeTable, size: int, leaf: Leaf) -> list[Block]:
    block = table.read(leaf)
    return [block.take(table.sampled(block, size))]


def _appended(first: list[Any], second: list[Any]) -> list[Any]:
    return [*first, *second]


def joined_blocks(blocks: Sequence[Block]) -> Block:
    """Return the rows of all blocks in one, in their order."""
    rows = joined([block.rows for block in blocks])
    numbers, keys = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("numbers", "keys"))
    return Block(rows, numbers, keys)
