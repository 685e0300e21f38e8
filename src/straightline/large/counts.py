"""What is counted in the rows of a large table: rows, weights, and the prediction that uses no column."""

from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow.parquet

from straightline.data.passes import Pass
from straightline.data.row_values import offset_of
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.large.table import LEAF_ROWS, LargeTable


@dataclass(frozen=True, eq=False)
class Counts:
    """The number of `rows`, the `total` of their weights, and their prediction that uses no column.

    The prediction is `baseline` / `mass`: sums over the rows.
    """

    rows: int
    total: float
    baseline: Any
    mass: float

    @property
    def prediction(self) -> Any:
        """The prediction of the family that uses no column, for the offset 0."""
        return self.baseline / self.mass


def counting(family: Family) -> Pass:
    """Return the pass that counts."""
    return Pass(partial(_counts, family), _joined)


def _counts(family: Family, rows: Rows) -> Counts:
    prediction = np.asarray(family.baseline(rows.labels, rows.weights, rows.offset))
    # The mean rate of counts is their sum divided by that of their exposures.
    mass = rows.total
    if family.is_count and rows.offset is not None:
        mass = float(rows.weighted(np.exp(rows.offset)).sum())
    return Counts(len(rows), rows.total, prediction * mass, mass)


def _joined(first: Counts, second: Counts) -> Counts:
    return Counts(
        first.rows + second.rows,
        first.total + second.total,
        first.baseline + second.baseline,
        first.mass + second.mass,
    )


def counted(table: LargeTable) -> Counts:
    """Return what is counted in all rows of `table`; only labels, weights and offsets are read."""
    names = dict.fromkeys([table.target.column, *filter(None, [table.weights]), *table.target.offset_columns])
    with pyarrow.parquet.ParquetFile(table.path, pre_buffer=False) as file:
        parts = []
        for batch in file.iter_batches(LEAF_ROWS, columns=list(names)):
            frame = batch.to_pandas()
            weights = None if table.weights is None else frame[table.weights].to_numpy(np.float64) / table.weight_unit
            labels = frame[table.target.column].to_numpy(np.float64)
            rows = Rows(np.empty((len(frame), 0)), labels, weights, offset_of(frame, table.target))
            parts.append(_counts(table.family, rows))
    return reduce(_joined, parts)
