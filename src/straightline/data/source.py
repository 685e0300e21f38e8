"""Read the rows of a table in groups when they are needed, and compute many fits in shared passes over the rows."""

import operator
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from straightline.data.rows import RowNumbers, Rows, joined
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS

PASS_SHARE = 4  # A pass reads this fraction (1/4) of a training block at once: as fast, and copies need less memory.

MANY_ROWS, GROUP_ROWS = 2**16, 2**13  # rows in memory from which a table has groups, and rows of a group

Result = TypeVar("Result")


@dataclass(frozen=True)
class Source:
    """The rows of a table. `read(groups)` returns the rows of some groups.

    `offsets` `(groups + 1,)` is the number of the first row of each group, and last the number of all rows. A table in
    memory is one group. Training reads blocks of `block_groups` groups.
    """

    offsets: NDArray[np.int64]
    columns: int
    read: Callable[[NDArray], Rows]
    block_groups: int = 1
    has_weights: bool = False
    has_offset: bool = False

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.offsets[-1])

    @property
    def groups(self) -> NDArray:
        """The numbers of the groups, from 0."""
        return np.arange(len(self.offsets) - 1)

    def blocks(self, groups: NDArray, size: int) -> list[NDArray]:
        """Return `groups` in blocks of `size` groups, in their order. Only the last block may be smaller."""
        return [groups[first : first + size] for first in range(0, len(groups), size)]

    def within(self, rows: RowNumbers, block: NDArray) -> RowNumbers:
        """Return the numbers of those `rows` that are in `block`, counted from the start of the block.

        `rows` are ascending, and `block` holds neighbouring groups.
        """
        if len(block) == len(self.groups):
            return rows
        bounds = self.offsets[[block[0], block[-1] + 1]].astype(rows.dtype)  # Otherwise NumPy would convert all rows.
        first, last = np.searchsorted(rows, bounds)
        return rows[first:last] - bounds[0]


def held(rows: Rows) -> Source:
    """Return the source of a table in memory."""
    return Source(
        np.array([0, len(rows)]),
        rows.features.shape[1],
        lambda groups: rows,
        has_weights=rows.weights is not None,
        has_offset=rows.offset is not None,
    )


def held_in_groups(rows: Rows) -> Source:
    """Return the source of a table in memory, in groups that stay in the caches of a processor if it has many rows.

    Several threads then compute at once, but parts of the rows that are not all of a group are copied.
    """
    if len(rows) <= MANY_ROWS:
        return held(rows)
    offsets = np.append(np.arange(0, len(rows), GROUP_ROWS), len(rows))
    return replace(
        held(rows), offsets=offsets, read=lambda groups: rows.part(offsets[groups[0]], offsets[groups[-1] + 1])
    )


def streamed(path: Path, features: Sequence[str], target: str, block_rows: int) -> Source:
    """Return a source that reads the numeric columns `features` and `target` of a Parquet file by row groups.

    A block has as many row groups as make at most `block_rows` rows, and at least one row group.
    """
    metadata = pa.parquet.read_metadata(path)
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def read(groups: NDArray) -> Rows:
        with pa.parquet.ParquetFile(path, metadata=metadata) as file:
            table = file.read_row_groups(groups.tolist(), columns=[*features, target], use_threads=False)
        labels = table[target].to_numpy().astype(np.float64)
        values = np.empty((table.num_rows, len(features)), order="F")  # Avoids the copies that pandas would make.
        for number, name in enumerate(features):
            values[:, number] = table[name].to_numpy()
        return Rows(values, labels)

    return Source(np.cumsum([0, *rows]), len(features), read, max(1, block_rows // max(rows)))


def with_row_values(source: Source, weights: NDArray | None, offset: NDArray | None) -> Source:
    """Return the source of the same rows with `weights` and `offset`, each `(rows,)` or None."""
    if weights is None and offset is None:
        return source

    def read(groups: NDArray) -> Rows:
        numbers = np.concatenate([np.arange(*source.offsets[group : group + 2]) for group in groups])
        row_weights, row_offset = (None if values is None else values[numbers] for values in (weights, offset))
        return replace(source.read(groups), weights=row_weights, offset=row_offset)

    return replace(source, read=read, has_weights=weights is not None, has_offset=offset is not None)


def rewritten(
    path: Path,
    encoded_path: Path,
    features: Sequence[str],
    target: str,
    names: Sequence[str],
    encode: Callable[..., NDArray],
) -> None:
    """Write a Parquet file with the columns that `encode` makes from `features`, and last the target.

    `names` are the names of the written columns. The file has the same row groups as the file `path`. Passes over the
    written file read numbers instead of encoding the rows again.
    """
    schema = pa.schema([(name, pa.float64()) for name in names])
    options = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
    with pa.parquet.ParquetFile(path) as file, pa.parquet.ParquetWriter(encoded_path, schema, **options) as writer:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=[*features, target], use_threads=False).to_pandas()
            columns = [*encode(rows).T, rows[target].to_numpy(np.float64)]
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))


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


def either(wanted: Pass, first: Any, second: Any) -> Any:
    """Return the joined results of a pass, or the only one that is not None, or None."""
    if first is None or second is None:
        return second if first is None else first
    return wanted.combine(first, second)


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

    return Pass(compute, partial(either, wanted))


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
