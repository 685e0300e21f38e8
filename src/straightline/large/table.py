"""The training rows of a table that is never held in memory: Parquet row groups, read and encoded when needed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.data.chance import chances, group_keys
from straightline.data.row_values import offset_of
from straightline.data.rows import Rows
from straightline.data.schema import Feature, Schema, read_schema
from straightline.families import Family, family_of
from straightline.families.target import Target
from straightline.models import terms

LEAF_ROWS = 2**16  # Row groups are read together up to so many rows: enough for speed, and little memory.
SAMPLES = 1  # the stream of chances by which samples are drawn, beside those of folds and held-out rows


@dataclass(frozen=True)
class Leaf:
    """Neighbouring row groups, from `first_group` up to the one before `end_group`; their first row is `first_row`."""

    first_group: int
    end_group: int
    first_row: int


@dataclass(frozen=True, eq=False)
class Block:
    """Rows that were read: their numbers in the table `(rows,)`, and the keys that decide about their cells."""

    rows: Rows
    numbers: NDArray[np.int64]
    keys: NDArray[Any]

    def take(self, places: NDArray) -> "Block":
        """Return some of the rows, by their places in the block."""
        return Block(self.rows.take(places), self.numbers[places], self.keys[places])


@dataclass(frozen=True)
class LargeTable:
    """The training rows of a target in the Parquet file `path`, of which `features` are encoded as columns `names`.

    `group_column` is the column that says which rows stay together, or None. `weights` is the column of weights, which
    are divided by `weight_unit`. With `quadratic_terms` the columns of `terms.py` follow. An object is small, so that
    other processes can read the same rows.
    """

    path: Path
    target: Target
    features: Sequence[Feature]
    standardize: bool
    ordered: bool = False
    group_column: str | None = None
    weights: str | None = None
    weight_unit: float = 1.0
    sampling: bool = False
    quadratic_terms: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the columns of `Rows.features`."""
        names = encoding.term_names(self.features)
        return terms.names(names) if self.quadratic_terms else names

    @property
    def family(self) -> Family:
        """The family of the target."""
        return family_of(self.target)

    @property
    def predictor_classes(self) -> list[str] | None:
        """The class of each linear predictor, or None if there is only one."""
        classes = self.target.classes
        return None if classes is None or self.family.outputs == 1 else list(map(str, classes[1:]))

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The number of the first row of each row group, and last the number of rows."""
        metadata = pa.parquet.read_metadata(self.path)
        return np.cumsum([0, *(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))])

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.offsets[-1])

    @cached_property
    def leaves(self) -> list[Leaf]:
        """The row groups in neighbourhoods of at most LEAF_ROWS rows, or of one row group."""
        leaves, first = [], 0
        for end in range(1, len(self.offsets)):
            if end + 1 == len(self.offsets) or self.offsets[end + 1] - self.offsets[first] > LEAF_ROWS:
                leaves.append(Leaf(first, end, int(self.offsets[first])))
                first = end
        return leaves

    def quadratic(self) -> "LargeTable":
        """Return the same rows with quadratic terms as columns."""
        return replace(self, quadratic_terms=True)

    def read(self, leaf: Leaf) -> Block:
        """Return the rows of a leaf."""
        frame = self._frame(leaf)
        features = encoding.matrix(frame, self.features)
        weights = None if self.weights is None else frame[self.weights].to_numpy(np.float64) / self.weight_unit
        rows = Rows(
            terms.values(features) if self.quadratic_terms else features,
            frame[self.target.column].to_numpy(np.float64),
            weights,
            offset_of(frame, self.target),
        )
        numbers = np.arange(leaf.first_row, leaf.first_row + len(rows))
        return Block(rows, numbers, numbers if self.group_column is None else group_keys(frame[self.group_column]))

    def sampled(self, block: Block, size: int) -> NDArray:
        """Return the places in `block` of the rows in the sample of about `size` rows of the table.

        A larger sample has all rows of a smaller one.
        """
        return np.flatnonzero(chances(block.numbers, SAMPLES, SAMPLES) < size / self.rows)

    def _frame(self, leaf: Leaf) -> pd.DataFrame:
        others = [self.group_column, self.weights, *self.target.offset_columns, self.target.column]
        columns = dict.fromkeys([*(feature.column for feature in self.features), *filter(None, others)])
        with pa.parquet.ParquetFile(self.path) as file:
            words = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        with pa.parquet.ParquetFile(self.path, read_dictionary=[name for name in words if name in columns]) as file:
            groups = list(range(leaf.first_group, leaf.end_group))
            return file.read_row_groups(groups, columns=list(columns), use_threads=False).to_pandas()


@dataclass(frozen=True, eq=False)
class SampledTable(LargeTable):
    """A sample of about `size` rows of a large table. `held` are its rows in memory, or None if they are read again."""

    size: int = 0
    held: Block | None = None

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The numbers of the first rows of leaves in memory, or the offsets of the whole table."""
        if self.held is None:
            return super().offsets
        return np.append(np.arange(0, len(self.held.numbers), LEAF_ROWS), len(self.held.numbers))

    def read(self, leaf: Leaf) -> Block:
        """Return the rows of a leaf that are in the sample."""
        if self.held is None:
            block = super().read(leaf)
            return block.take(self.sampled(block, self.size))
        places = slice(*(int(self.offsets[group]) for group in (leaf.first_group, leaf.end_group)))
        return Block(self.held.rows.part(places.start, places.stop), self.held.numbers[places], self.held.keys[places])


def large_table(root: Path, target: str, schema: Schema | None = None) -> LargeTable:
    """Return the training rows of the target with the key `target` in data/train.parquet below `root`.

    `schema` is that of the rows; None reads it from data/schema.json.
    """
    schema, path = schema or read_schema(root), (root / "data/train.parquet").resolve()
    sampling = schema.weights_are == "sampling"
    return LargeTable(
        path,
        schema.targets[target],
        schema.encoding,
        schema.standardize,
        schema.split.by == "time",
        schema.split.column if schema.split.by == "groups" else None,
        schema.weights,
        _mean(path, schema.weights) if sampling and schema.weights is not None else 1.0,
        sampling,
    )


def _mean(path: Path, column: str) -> float:
    """Return the mean of a column of numbers, read in batches."""
    with pa.parquet.ParquetFile(path, pre_buffer=False) as file:
        sums = [pa.compute.sum(batch.column(0)).as_py() for batch in file.iter_batches(columns=[column])]
        return float(np.sum(sums) / file.metadata.num_rows)
