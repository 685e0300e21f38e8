"""Samples of a large table, as tables in memory or in a file: networks learn from them."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.source import Source, held, streamed, with_row_values
from straightline.data.training_table import TrainingTable
from straightline.large.division import Division
from straightline.large.passes import THREADED, Engine, collected, joined_blocks
from straightline.large.table import Block, LargeTable, SampledTable
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.steps import step

HELD_VALUES = 2**26  # The most values of a sample in memory; more are written to a file, and read in blocks.
BLOCK_ROWS = 2**18  # rows of a block that is read from that file


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of a large table: as a table that networks learn from, with its folds, and as a table for passes."""

    rows: TrainingTable
    folds: list[Fold]
    passes: SampledTable

    def __len__(self) -> int:
        return len(self.rows.labels)


def growing(
    table: LargeTable, division: Division, sizes: Sequence[int], engine: Engine = THREADED
) -> Generator[Sample]:
    """Yield samples of about so many rows, ascending, whose folds are those of `division`.

    A larger sample has all rows of a smaller one, and a row is in the same fold in all of them. The rows of a sample
    are read together with those of the one before, if memory holds them easily.
    """
    width = len(table.names) + 1
    known: Block | None = None
    known_size = 0
    for size, later in zip(sizes, [*sizes[1:], sizes[-1]], strict=True):
        with temporary_folder() as folder:
            if size * width <= HELD_VALUES:
                if size > known_size:
                    known_size = later if later * width <= HELD_VALUES // 2 else size
                    known = collected(table, known_size, f"a sample of {known_size:,} rows", engine)
                assert known is not None
                block = known.take(table.sampled(known, size)) if size < known_size else known
                source = held(block.rows)
            else:
                known = None
                source, block = _written(table, size, folder / "sample.parquet")
            cells = division.cells_of(block.keys)
            folds = [_fold(division, fold, cells) for fold in range(division.k)]
            values = {each.name: getattr(table, each.name) for each in fields(LargeTable)}
            passes = SampledTable(**values, size=size, held=None if known is None else block)
            yield Sample(in_memory(table, source, block), folds, passes)


def in_memory(table: LargeTable, source: Source, block: Block) -> TrainingTable:
    """Return some rows of a large table, which `source` reads, as a table of their own."""
    return TrainingTable(
        source,
        block.rows.labels,
        table.names,
        table.family,
        table.standardize,
        None if table.group_column is None else pd.factorize(block.keys)[0],
        table.ordered,
        block.rows.weights,
        block.rows.offset,
        table.sampling,
        table.target.classes,
    )


def _fold(division: Division, fold: int, cells: NDArray) -> Fold:
    train = np.flatnonzero(division.is_trained(fold)[cells]).astype(np.int32)
    return Fold(division.repeat, fold, train, np.flatnonzero(cells == division.test_cell(fold)).astype(np.int32))


def _written(table: LargeTable, size: int, path: Path) -> tuple[Source, Block]:
    """Write the rows of a sample to a file; return its source, and the rows without their features."""
    names = [*map(str, range(len(table.names))), "target"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    taken: list[Block] = []
    with (
        step(f"a sample of {size:,} rows") as reached,
        pa.parquet.ParquetWriter(path, schema, compression="lz4", use_dictionary=False, write_statistics=False) as file,
    ):
        for leaf in table.leaves:
            block = table.read(leaf)
            block = block.take(table.sampled(block, size))
            columns = [*block.rows.features.T, block.rows.labels]
            file.write_table(pa.table([pa.array(column) for column in columns], schema=schema))
            taken.append(replace(block, rows=replace(block.rows, features=np.empty((len(block.rows), 0)))))
            reached(f"{leaf.first_row:,} of {table.rows:,} rows")
    block = joined_blocks(taken)
    source = streamed(path, names[:-1], names[-1], BLOCK_ROWS)
    return with_row_values(source, block.rows.weights, block.rows.offset), block
