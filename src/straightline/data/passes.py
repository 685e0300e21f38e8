"""Passes over the rows of a source: computations whose readings are shared, in memory or block by block."""

import operator
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from straightline.data.rows import RowNumbers, Rows, joined
from straightline.data.source import Source
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS

PASS_SHARE = 4  # A pass reads this fraction (1/4) of a training block at once: as fast, and copies need less memory.

Result = TypeVar("Result")


class Pass(NamedTuple):
    """A computation over rows: `compute` gives the result of some rows, and `combine` joins two results."""

    compute: Callable[[Rows], Any]
    combine: Callable[[Any, Any], Any]


COLLECT = Pass(lambda rows: rows, lambda first, second: joined([first, second]))  # The rows themselves, in memory.
COUNT = Pass(len, operator.add)  # The number of rows, whatever their weights are.


def answered(computation: Generator[Pass, Any, Result], answer: Callable[[Pass], Any]) -> Result:
    """Return the result of a computation that is sent the `answer` to each of its passes."""
    (result,) = answered_together([computation], lambda passes: [answer(passes[0])])
    return result


def answered_together(
    computations: Sequence[Generator[Pass, Any, Result]],
    answer: Callable[[Mapping[int, Pass]], Sequence[Any]],
    on_end: Callable[[int], None] = lambda ended: None,
) -> list[Result]:
    """Return the results of computations that go on side by side.

    `answer` gets the next pass of each that still runs, by its number, and returns the results of all, in their order.
    `on_end` is called with the number of computations that have ended.
    """
    results: dict[int, Result] = {}
    passes = {number: next(computation) for number, computation in enumerate(computations)}
    while passes:
        found = answer(passes)
        running, passes = list(passes), {}
        for number, result in zip(running, found, strict=True):
            try:
                passes[number] = computations[number].send(result)
            except StopIteration as end:
                results[number] = end.value
                on_end(len(results))
    return [results[number] for number in range(len(computations))]


def on_rows(computation: Generator[Pass, Any, Result], rows: Rows) -> Result:
    """Return the result of a computation whose passes read `rows` in memory, all at once."""
    return answered(computation, lambda wanted: wanted.compute(rows))


def either(combine: Callable[[Any, Any], Any], first: Any, second: Any) -> Any:
    """Return the joined results, or the only one that is not None, or None."""
    if first is None or second is None:
        return second if first is None else first
    return combine(first, second)


def restricted(
    computation: Generator[Pass, Any, Result], keep: Callable[[Rows], NDArray[np.bool_]]
) -> Generator[Pass, Any, Result]:
    """Run a computation on those rows for which `keep` returns True, `(rows,)`. At least one row has to be kept."""
    wanted = next(computation)
    while True:
        found = yield _of_kept(wanted, keep)
        try:
            wanted = computation.send(found)
        except StopIteration as end:
            result: Result = end.value
            return result


def _of_kept(wanted: Pass, keep: Callable[[Rows], NDArray[np.bool_]]) -> Pass:
    def compute(rows: Rows) -> Any:
        kept = np.flatnonzero(keep(rows)).astype(np.int32)
        return wanted.compute(rows.take(kept)) if len(kept) else None

    return Pass(compute, partial(either, wanted.combine))


def one_pass(source: Source, parts: Sequence[RowNumbers], passes: Iterable[Pass]) -> list[Any]:
    """Return the results of `passes`, each over the rows of its part (row numbers). Every block is read once."""
    with _one_blas_thread():
        return _results(source, parts, passes)


def _one_blas_thread() -> threadpool_limits:
    """Limit BLAS to one thread, since the number of its threads would change the last digits.

    It is also faster: more threads slow down products of the sizes here, and on busy cores they wait for each other.
    """
    return threadpool_limits(1, "blas")


def _results(source: Source, parts: Sequence[RowNumbers], passes: Iterable[Pass]) -> list[Any]:
    pairs = list(zip(passes, parts, strict=True))
    results: list[Any] = [None] * len(parts)

    def compute_block(block: NDArray) -> list[Any]:
        rows = source.read(block)
        return [_block_result(computation, rows, source.within(part, block)) for computation, part in pairs]

    size = max(1, source.block_groups // PASS_SHARE)
    with ThreadPoolExecutor(THREADS) as pool:
        for block_results in pool.map(compute_block, source.blocks(source.groups, size)):
            for number, ((computation, _), result) in enumerate(zip(pairs, block_results, strict=True)):
                if result is not None:
                    earlier = results[number]
                    results[number] = result if earlier is None else computation.combine(earlier, result)
    return results


def _block_result(computation: Pass, rows: Rows, numbers: RowNumbers) -> Any:
    if not len(numbers):
        return None
    return computation.compute(rows if len(numbers) == len(rows) else rows.take(numbers))


def in_step(
    source: Source, parts: Sequence[RowNumbers], computations: Sequence[Generator[Pass, Any, Result]], title: str
) -> list[Result]:
    """Run `computations`, each on its part, and return their results. If they take long, lines about `title` say so.

    A computation yields passes and is sent their results. The passes of all computations share one reading of the rows.
    """

    def read(passes: Mapping[int, Pass]) -> list[Any]:
        return _results(source, [parts[number] for number in passes], passes.values())

    # What a computation does between its passes may be slow too.
    with _one_blas_thread(), step(title) as reached:
        return answered_together(computations, read, lambda ended: reached(f"{ended} of {len(parts)}"))
