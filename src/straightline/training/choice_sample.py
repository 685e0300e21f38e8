"""The rows on which settings are chosen inside training rows: parts of them, or of a sample if there are many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from straightline.data.folds import Fold
from straightline.data.passes import COLLECT, one_pass
from straightline.data.rows import RowNumbers
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.training.batches import seed_of
from straightline.training.plan import CHOICE_ROWS

Parts = Sequence[tuple[RowNumbers, RowNumbers]]  # rows to train on, and rows of the part


@dataclass(frozen=True)
class ChoiceParts:
    """The `parts` of each set of training rows. `shares` are the shares of their rows in the sets: 1 without a sample.

    `rows` is the number of rows of the table, and `seeds` are the seed of each set.
    """

    rows: int
    seeds: list[int]
    parts: list[Parts]
    shares: list[float]


def divided(
    table: TrainingTable, row_sets: Sequence[Fold], count: int, seed: int, table_rows: int | None = None
) -> ChoiceParts:
    """Divide the training rows of each of `row_sets`, or a sample of CHOICE_ROWS, into `count` parts.

    The division respects strata, groups and time. If `table` joins tables of the same size, `table_rows` is this size.
    """
    seeds = [seed_of([seed, part.repeat + 1, part.fold, len(part.train)]) for part in row_sets]
    rows = [_choice_rows(table, part.train, number) for part, number in zip(row_sets, seeds, strict=True)]
    return ChoiceParts(
        table_rows or len(table.labels),
        seeds,
        [table.split.parts(some, count, number) for some, number in zip(rows, seeds, strict=True)],
        [len(some) / len(part.train) for some, part in zip(rows, row_sets, strict=True)],
    )


def _choice_rows(table: TrainingTable, rows: RowNumbers, seed: int) -> RowNumbers:
    return rows if len(rows) <= CHOICE_ROWS else table.split.sample(rows, CHOICE_ROWS / len(rows), seed)


def gathered(table: TrainingTable, division: ChoiceParts) -> tuple[TrainingTable, list[Parts]]:
    """Return a table in memory with only the rows of the parts, and the same parts with its row numbers.

    Without a sample the table is returned as it is.
    """
    parts = division.parts
    if min(division.shares) == 1:
        return table, parts
    numbers = np.unique(np.concatenate([rows for divided in parts for pair in divided for rows in pair]))
    (rows,) = one_pass(table.source, [numbers], [COLLECT])
    groups = None if table.groups is None else table.groups[numbers]
    small = replace(
        table,
        source=held(rows),
        labels=table.labels[numbers],
        groups=groups,
        weights=rows.weights,
        offset=rows.offset,
    )
    return small, [[(_places(train, numbers), _places(part, numbers)) for train, part in divided] for divided in parts]


def _places(rows: RowNumbers, numbers: RowNumbers) -> RowNumbers:
    return np.searchsorted(numbers, rows).astype(np.int32)
