"""Samples of a large table, as tables in memory or in a file: networks learn from them."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
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
from straightline.large.stored import OPTIONS, StoredTable, stored
from straightline.large.table import Block, LargeTable, SampledTable
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.steps import step

HELD_VALUES = 2**26  # The most values of a sample in memory; more are written to a file, and read in blocks.
BLOCK_ROWS, GROUP_ROWS = 2**18, 2**13  # rows of a block that is read from that file, and of its row groups
SAMPLE, CELLS = "sample.parquet", "cells.npy"


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of a large table: as a table that networks learn from, with its folds, and as a table for passes.

    `load` returns the same rows and folds; in another process it reads them from a file that all processes see.
    """

    rows: TrainingTable
    folds: list[Fold]
    passes: SampledTable
    load: Callable[[], tuple[TrainingTable, list[Fold]]]

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
        with temporary_folder(table.path.parent if engine.is_remote else None) as folder:
            if size * width <= HELD_VALUES:
                if size > known_size:
                    known_size = later if later * width <= HELD_VALUES // 2 else size
                    known = collected(table, known_size, f"a sample of {known_size:,} rows", engine)
                assert known is not None
                block = known.take(table.sampled(known, size)) if size < known_size else known
                source = held(block.rows)
            else:
                known = None
                block = joined_blocks(_write(folder / SAMPLE, table, _blocks(table, size)))
                source = _source(folder, block)
            cells = division.cells_of(block.keys)
            rows, folds = in_memory(table, source, block), folds_of(division, cells)
            values = {each.name: getattr(table, each.name) for each in fields(LargeTable)}
            passes = SampledTable(**values, size=size, held=None if known is None else block)
            if engine.is_remote:
                np.save(folder / CELLS, cells)
                yield Sample(rows, folds, passes, Stored(stored(rows, folder), division, folder / CELLS))
            else:
                yield Sample(rows, folds, passes, Loaded(rows, folds))


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


def folds_of(division: Division, cells: NDArray) -> list[Fold]:
    """Return the folds of the rows of a sample as lists of their numbers in it; `cells` are those of the rows."""
    return [
        Fold(
            division.repeat,
            fold,
            np.flatnonzero(division.is_trained(fold)[cells]).astype(np.int32),
            np.flatnonzero(cells == division.test_cell(fold)).astype(np.int32),
        )
        for fold in division.folds
    ]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A sample of this process."""

    rows: TrainingTable
    folds: list[Fold]

    def __call__(self) -> tuple[TrainingTable, list[Fold]]:
        """Return the rows and their folds."""
        return self.rows, self.folds


@dataclass(frozen=True)
class Stored:
    """A sample in files of a folder, which processes on other nodes see too, and the file of the cells of its rows."""

    table: StoredTable
    division: Division
    cells: Path

    def __call__(self) -> tuple[TrainingTable, list[Fold]]:
        """Return the rows and their folds, in memory if there are few."""
        return self.table.load(), folds_of(self.division, np.load(self.cells))


def _source(folder: Path, block: Block) -> Source:
    *features, target = pa.parquet.read_schema(folder / SAMPLE).names
    source = streamed(folder / SAMPLE, features, target, BLOCK_ROWS)
    return with_row_values(source, block.rows.weights, block.rows.offset)


def _blocks(table: LargeTable, size: int) -> Iterator[Block]:
    with step(f"a sample of {size:,} rows") as reached:
        for leaf in table.leaves:
            block = table.read(leaf)
            yield block.take(table.sampled(block, size))
            reached(f"{leaf.first_row:,} of {table.rows:,} rows")


def _write(path: Path, table: LargeTable, blocks: Iterable[Block]) -> list[Block]:
    """Write features and labels to a file; return the blocks without their features."""
    schema = pa.schema([(name, pa.float64()) for name in [*map(str, range(len(table.names))), "target"]])
    rest = []
    with pa.parquet.ParquetWriter(path, schema, **OPTIONS) as file:
        for block in blocks:
            columns = [*block.rows.features.T, block.rows.labels]
            file.write_table(pa.table([pa.array(column) for column in columns], schema=schema), GROUP_ROWS)
            rest.append(replace(block, rows=replace(block.rows, features=np.empty((len(block.rows), 0)))))
    return rest
