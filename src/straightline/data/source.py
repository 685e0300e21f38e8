"""Where the rows of a table come from: they are in memory, or are read in groups when they are needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.data.rows import RowNumbers, Rows

MANY_ROWS, GROUP_ROWS = 2**16, 2**13  # rows in memory from which a table has groups, and rows of a group


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
