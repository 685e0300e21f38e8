"""Write the training rows and the held-out rows of a large table, a part at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.config.sources import Table
from straightline.data import notation
from straightline.data.understanding import without_gaps
from straightline.large.conversion import GROUP_ROWS
from straightline.large.reading import Reading
from straightline.runtime.artifacts import replacing
from straightline.runtime.steps import step


def write_rows(
    reading: Reading,
    path: Path,
    columns: Sequence[str],
    labels: pd.DataFrame,
    is_train: NDArray,
    is_test: NDArray,
    root: Path,
) -> None:
    """Write data/train.parquet and data/test.parquet below `root`.

    `path` has the rows in their order, of which `columns` are written, with numbers and dates in place of text, and the
    `labels`. `is_train` and `is_test` `(rows,)` say where a row goes.
    """
    with (
        step("writing rows") as reached,
        replacing(root / "data/train.parquet") as train,
        replacing(root / "data/test.parquet") as test,
        pa.parquet.ParquetFile(path, pre_buffer=False) as file,
    ):
        schema = _written_schema(reading, file.schema_arrow, columns, labels)
        with (
            pa.parquet.ParquetWriter(train, schema) as train_writer,
            pa.parquet.ParquetWriter(test, schema) as test_writer,
        ):
            row = 0
            for batch in file.iter_batches(GROUP_ROWS, columns=[name for name in columns if name not in labels]):
                part = slice(row, row + batch.num_rows)
                table = _part(reading, pa.Table.from_batches([batch]), schema, labels.iloc[part])
                for writer, mask in ((train_writer, is_train), (test_writer, is_test)):
                    writer.write_table(table.filter(pa.array(mask[part])), GROUP_ROWS)
                row += batch.num_rows
                reached(f"{row:,} of {len(labels):,}")


def _written_schema(reading: Reading, schema: pa.Schema, columns: Sequence[str], labels: pd.DataFrame) -> pa.Schema:
    """Return the types of columns as they are written: numbers and dates in place of text."""
    types = {}
    for name in columns:
        way = reading.notations.get(name)
        is_text = pa.types.is_string(schema.field(name).type)
        if way is None:
            types[name] = schema.field(name).type
        elif is_text and way.date is not None:
            types[name] = pa.timestamp("us")
        else:
            types[name] = pa.float64()
    for column, values in labels.items():
        types[str(column)] = pa.from_numpy_dtype(values.dtype)
    return pa.schema(types)


def _part(reading: Reading, table: pa.Table, schema: pa.Schema, labels: pd.DataFrame) -> pa.Table:
    settings = reading.settings
    columns: dict[str, Any] = {}
    for name in schema.names:
        if name in labels:
            columns[name] = pa.array(labels[name])
        elif name in settings.categorical or not (name in reading.notations or pa.types.is_string(table[name].type)):
            columns[name] = table[name]
        else:
            columns[name] = pa.array(_understood(reading, table[name], name, settings), schema.field(name).type)
    return pa.table(columns, schema=schema)


def _understood(reading: Reading, column: pa.ChunkedArray, name: str, settings: Table) -> pd.Series:
    """Return a part of a column with numbers or dates in place of text, in the notation of the whole column."""
    values = pa.table({name: column}).to_pandas()[name]
    way = reading.notations.get(name)
    if not pa.types.is_string(column.type):
        return notation.without_missing(values, settings.missing)
    return without_gaps(values, settings.missing) if way is None else notation.parsed(values, way, name)
