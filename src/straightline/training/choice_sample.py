"""The rows on which an averaged network is chosen: a sample of the training rows if there are many."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from straightline.data.rows import RowNumbers, Rows, joined
from straightline.data.source import Pass, held, one_pass
from straightline.data.training_table import TrainingTable
from straightline.training.candidates import Parts
from straightline.training.plan import CHOICE_ROWS


def choice_rows(table: TrainingTable, rows: RowNumbers, seed: int) -> RowNumbers:
    """Return the `rows` to choose on: all of them, or a sample of CHOICE_ROWS that respects strata, groups and time."""
    return rows if len(rows) <= CHOICE_ROWS else table.split.sample(rows, CHOICE_ROWS / len(rows), seed)


def gathered(table: TrainingTable, parts: Sequence[Parts]) -> tuple[TrainingTable, list[Parts]]:
    """Return a table in memory with only the rows of `parts`, and the same parts with its row numbers."""
    numbers = np.unique(np.concatenate([rows for divided in parts for pair in divided for rows in pair]))
    (rows,) = one_pass(table.source, [numbers], [Pass(_all, _both)])
    groups = None if table.groups is None else table.groups[numbers]
    small = replace(table, source=held(rows), labels=table.labels[numbers], groups=groups)
    return small, [[(_places(train, numbers), _places(part, numbers)) for train, part in divided] for divided in parts]


def _places(rows: RowNumbers, numbers: RowNumbers) -> RowNumbers:
    return np.searchsorted(numbers, rows).astype(np.int32)


def _all(rows: Rows) -> Rows:
    return rows


def _both(first: Rows, second: Rows) -> Rows:
    return joined([first, second])
