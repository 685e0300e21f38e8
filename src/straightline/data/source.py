"""The rows of a table in groups that are read as they are needed, and passes over them that serve many fits at once."""

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from straightline.data.rows import RowNumbers, Rows
from straightline.runtime.threads import THREADS

PASS_SHARE = 4  # of a block for training is as fast to pass over, and copies of it take less memory

Result = TypeVar("Result")


@dataclass(frozen=True)
class Source:
    """A table's rows: `read(groups)` returns those of some groups.

    `offsets` `(groups + 1,)` tells where each group starts among all rows; a table that is held is one group. Training
    reads `block_groups` of them at once.
    """

    offsets: NDArray[np.int64]
    columns: int
    read: Callable[[NDArray], Rows]
    block_groups: int = 1

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return int(self.offsets[-1])

    @property
    def groups(self) -> NDArray:
        """The groups' numbers."""
        return np.arange(len(self.offsets) - 1)

    def blocks(self, order: NDArray, of: int) -> list[NDArray]:
        """Return the groups `order` as blocks of `of` groups; only the last may be smaller."""
        return [order[first : first + of] for first in range(0, len(order), of)]

    def within(self, rows: RowNumbers, block: NDArray) -> RowNumbers:
        """Return which of `rows`, ascending, are in a block of neighbours, counted from its start."""
        if len(block) == len(self.groups):
            return rows
        bounds = self.offsets[[block[0], block[-1] + 1]].astype(rows.dtype)  # else NumPy would convert all rows
        first, last = np.searchsorted(rows, bounds)
        return rows[first:last] - bounds[0]


def held(rows: Rows) -> Source:
    """Return the source of a table in memory."""
    return Source(np.array([0, len(rows)]), rows.features.shape[1], lambda groups: rows)


def streamed(path: Path, features: Sequence[str], target: str, block_rows: int) -> Source:
    """Return the source of the numbers `features` and `target` of a Parquet file, by its row groups.

    A block is as many groups as have `block_rows` rows, and at least one.
    """
    metadata = pa.parquet.read_metadata(path)
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def read(groups: NDArray) -> Rows:
        with pa.parquet.ParquetFile(path, metadata=metadata) as file:
            table = file.read_row_groups(groups.tolist(), columns=[*features, target], use_threads=False)
        labels = table[target].to_numpy().astype(np.float64)
        values = np.empty((table.num_rows, len(features)), order="F")  # without pandas' copies
        for number, name in enumerate(features):
            values[:, number] = table[name].to_numpy()
        return Rows(values, labels)

    return Source(np.cumsum([0, *rows]), len(features), read, max(1, block_rows // max(rows)))


def rewritten(
    path: Path, to: Path, features: Sequence[str], target: str, names: Sequence[str], encode: Callable[..., NDArray]
) -> None:
    """Write the columns that `encode` makes of `features`, and `target`, to another Parquet file, called `names`.

    It has the same row groups. Passes over it read numbers instead of encoding again.
    """
    schema = pa.schema([(name, pa.float64()) for name in names])
    options = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}
    with pa.parquet.ParquetFile(path) as file, pa.parquet.ParquetWriter(to, schema, **options) as writer:
        for group in range(file.num_row_groups):
            rows = file.read_row_group(group, columns=[*features, target], use_threads=False).to_pandas()
            columns = [*encode(rows).T, rows[target].to_numpy(np.float64)]
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))


class Pass(NamedTuple):
    """A question about rows: `of` some of them, and `both` joins the answers of two parts."""

    of: Callable[[Rows], Any]
    both: Callable[[Any, Any], Any]


def one_pass(source: Source, parts: Sequence[RowNumbers], asked: Iterable[Pass]) -> list[Any]:
    """Return, for each of `parts` (row numbers), what it asked of its rows; every block is read once."""
    wanted = list(zip(asked, parts, strict=True))
    found: list[Any] = [None] * len(parts)

    def look(block: NDArray) -> list[Any]:
        rows = source.read(block)
        return [_answer(asked, rows, source.within(part, block)) for asked, part in wanted]

    size = max(1, source.block_groups // PASS_SHARE)
    # BLAS' own threads slow such small products down, and their number would show in the last digits.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(THREADS) as pool:
        for answers in pool.map(look, source.blocks(source.groups, size)):
            for number, ((one, _), answer) in enumerate(zip(wanted, answers, strict=True)):
                if answer is not None:
                    found[number] = answer if found[number] is None else one.both(found[number], answer)
    return found


def _answer(asked: Pass, rows: Rows, numbers: RowNumbers) -> Any:
    if not len(numbers):
        return None
    return asked.of(rows if len(numbers) == len(rows) else rows.take(numbers))


def in_step(
    source: Source, parts: Sequence[RowNumbers], computations: Sequence[Generator[Pass, Any, Result]]
) -> list[Result]:
    """Run `computations`, each on its part, pass by pass at the same time, and return what each returns."""
    results: dict[int, Result] = {}
    asked: dict[int, Pass] = {number: next(one) for number, one in enumerate(computations)}
    while asked:
        answers = one_pass(source, [parts[number] for number in asked], asked.values())
        running, asked = list(asked), {}
        for number, answer in zip(running, answers, strict=True):
            try:
                asked[number] = computations[number].send(answer)
            except StopIteration as end:
                results[number] = end.value
    return [results[number] for number in range(len(parts))]
