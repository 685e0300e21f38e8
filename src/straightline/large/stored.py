"""Training rows in files of a folder that all nodes of a cluster see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.data.source import held, streamed, with_row_values
from straightline.data.training_table import TrainingTable
from straightline.families import Family

FEATURES, REST = "features.parquet", "rest.npz"
OPTIONS = {"compression": "lz4", "use_dictionary": False, "write_statistics": False}


@dataclass(frozen=True, eq=False)
class StoredTable:
    """A table of training rows in `folder`. All but the rows is here, and small."""

    folder: Path
    names: Sequence[str]
    family: Family
    standardize: bool
    ordered: bool
    sampling: bool
    classes: Sequence[Any] | None
    is_held: bool
    block_groups: int

    def load(self) -> TrainingTable:
        """Return the table: in memory if it was there, or streamed in the same blocks."""
        with np.load(self.folder / REST) as arrays:
            values: dict[str, NDArray] = {name: arrays[name] for name in arrays.files}
        weights, offset = values.get("weights"), values.get("offset")
        *features, target = pa.parquet.read_schema(self.folder / FEATURES).names
        source = replace(streamed(self.folder / FEATURES, features, target, 1), block_groups=self.block_groups)
        source = with_row_values(source, weights, offset)
        source = held(source.read(source.groups)) if self.is_held else source
        return TrainingTable(
            source,
            values["labels"],
            self.names,
            self.family,
            self.standardize,
            values.get("groups"),
            self.ordered,
            weights,
            offset,
            self.sampling,
            self.classes,
        )


def stored(table: TrainingTable, folder: Path) -> StoredTable:
    """Write the rows of `table` to `folder`, in the row groups of its source, and return where they are."""
    source = table.source
    schema = pa.schema([(name, pa.float64()) for name in [*map(str, range(source.columns)), "target"]])
    with pa.parquet.ParquetWriter(folder / FEATURES, schema, **OPTIONS) as file:
        for group in source.groups:
            rows = source.read(np.array([group]))
            columns = [*rows.features.T, rows.labels]
            file.write_table(pa.table([pa.array(column) for column in columns], schema=schema), max(len(rows), 1))
    arrays = {"groups": table.groups, "weights": table.weights, "offset": table.offset}
    values: dict[str, Any] = {name: array for name, array in arrays.items() if array is not None}
    np.savez(folder / REST, **{"labels": table.labels} | values)
    return StoredTable(
        folder,
        table.names,
        table.family,
        table.standardize,
        table.ordered,
        table.sampling,
        table.classes,
        len(source.groups) == 1,
        source.block_groups,
    )
