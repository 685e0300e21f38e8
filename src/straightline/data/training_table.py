"""The training rows of a target: in memory, or streamed from a Parquet file if there are many."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.data.folds import Split
from straightline.data.row_values import offset_of
from straightline.data.rows import RowNumbers, Rows
from straightline.data.schema import Schema, read_schema
from straightline.data.source import Source, held, rewritten, streamed, with_row_values
from straightline.families import Family, family_of
from straightline.families.classes import in_order
from straightline.families.target import Target
from straightline.models import terms
from straightline.runtime.artifacts import read_parquet
from straightline.runtime.leftovers import temporary_folder

HELD_ROWS, HELD_VALUES = 250_000, 2**22  # The most rows and values to hold in memory, unless fit.held_rows is set.


@dataclass(frozen=True)
class TrainingTable:
    """Training rows: a `source` with the columns `names`, and the `labels` `(rows,)` of a target of `family`.

    `standardize` says whether columns are standardised. `groups` `(rows,)` are group numbers: rows of a group stay
    together. `ordered` rows are in the order of time. `weights` and `offset` are those of the rows in the source,
    `(rows,)`, or None; weights that come from `sampling` have the mean 1. `classes` are the names of the labels.
    """

    source: Source
    labels: NDArray
    names: Sequence[str]
    family: Family
    standardize: bool
    groups: NDArray | None = None
    ordered: bool = False
    weights: NDArray | None = None
    offset: NDArray | None = None
    sampling: bool = False
    classes: Sequence[Any] | None = None

    def quadratic(self) -> "TrainingTable":
        """Return the same rows with the quadratic terms of `terms.py` as columns."""
        read = self.source.read

        def expanded(groups: NDArray) -> Rows:
            rows = read(groups)
            return replace(rows, features=terms.values(rows.features))

        names = terms.names(self.names)
        return replace(self, source=replace(self.source, columns=len(names), read=expanded), names=names)

    @property
    def split(self) -> Split:
        """The division of the rows into folds."""
        names = None if self.classes is None else in_order(self.classes)
        return Split(self.family.strata(self.labels, self.classes), self.groups, self.ordered, names)

    @property
    def predictor_classes(self) -> list[str] | None:
        """The class of each linear predictor, or None if there is only one."""
        return None if self.classes is None or self.family.outputs == 1 else list(map(str, self.classes[1:]))

    def total(self, rows: RowNumbers) -> float:
        """Return the sum of the weights of `rows`: their number without weights."""
        return len(rows) if self.weights is None else float(self.weights[rows].sum())

    def baseline(self, rows: RowNumbers) -> Any:
        """Return the prediction of the family that uses no column, from the labels of `rows`."""
        weights, offset = (None if values is None else values[rows] for values in (self.weights, self.offset))
        return self.family.baseline(self.labels[rows], weights, offset)


@contextmanager
def training_table(root: Path, target: str, held_rows: int | None) -> Iterator[TrainingTable]:
    """Yield the training rows of `target`.

    Up to `held_rows` rows are held in memory. More rows are streamed from a Parquet file: a temporary file of encoded
    rows, or data/train.parquet if no column needs encoding. If `held_rows` is None, the limit is HELD_ROWS rows or
    HELD_VALUES values.
    """
    schema = read_schema(root)
    path = root / "data/train.parquet"
    column, split = schema.targets[target], schema.split
    labels = _column(path, column.column).to_numpy(np.float64)
    groups = pd.factorize(_column(path, split.column))[0] if split.by == "groups" and split.column else None
    features = schema.encoding
    names = encoding.term_names(features)
    held_rows = held_rows or min(HELD_ROWS, HELD_VALUES // (len(names) + 1))
    encode = partial(encoding.matrix, features=features)
    with temporary_folder() as folder:
        if len(labels) <= held_rows:
            source = held(Rows(encode(read_parquet(path, columns=schema.features)), labels))
        elif encoding.is_plain(features):
            source = streamed(path, names, column.column, held_rows // 8)
        else:
            numbers = [str(number) for number in range(len(names) + 1)]  # A term may have the same name as the target.
            encoded = folder / "encoded.parquet"
            rewritten(path, encoded, schema.features, column.column, numbers, encode)
            source = streamed(encoded, numbers[:-1], numbers[-1], held_rows // 8)
        weights, offset = _weights(path, schema), _offset(path, column)
        yield TrainingTable(
            with_row_values(source, weights, offset),
            labels,
            names,
            family_of(column),
            schema.standardize,
            groups,
            split.by == "time",
            weights,
            offset,
            schema.weights_are == "sampling",
            column.classes,
        )


def _weights(path: Path, schema: Schema) -> NDArray | None:
    if schema.weights is None:
        return None
    weights = _column(path, schema.weights).to_numpy(np.float64)
    return weights / weights.mean() if schema.weights_are == "sampling" else weights


def _offset(path: Path, target: Target) -> NDArray | None:
    return offset_of(read_parquet(path, columns=target.offset_columns), target) if target.offset_columns else None


def _column(path: Path, name: str) -> pd.Series:
    return read_parquet(path, columns=[name])[name]
