"""Read a table from a Parquet or Feather file strictly."""

from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet

from straightline.data.contents import COPIES, Content
from straightline.data.names import line_of, require_names
from straightline.errors import UserError

DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)


def read_parquet(content: Content) -> pd.DataFrame:
    """Return all columns, the index of a pandas table too. Columns of types that no model takes stay as they are.

    Raises UserError if the file cannot be read, says that it has more rows than memory holds, or has words that are no
    text.
    """
    try:
        with pa.parquet.ParquetFile(content.for_arrow()) as file:
            _require_memory(content.label, file.metadata)
            return _checked(content.label, file.read())
    except DAMAGED as error:
        raise UserError(
            f"{content.label}: not readable as Parquet: {line_of(error)}; write it again, or as CSV"
        ) from None


def read_feather(content: Content) -> pd.DataFrame:
    """Return all columns of a Feather file, also called an Arrow file, as `read_parquet` does.

    Its batches are counted while they are read. Raises UserError as `read_parquet` does.
    """
    try:
        source = content.for_arrow()
        with pa.memory_map(str(source)) if isinstance(source, Path) else source as file:
            return _checked(content.label, _batches(content.label, file))
    except DAMAGED as error:
        raise UserError(
            f"{content.label}: not readable as Feather: {line_of(error)}; write it again, or as CSV"
        ) from None


def _batches(label: str, file: pa.NativeFile) -> pa.Table:
    reader = pa.ipc.open_file(file)
    batches: list[pa.RecordBatch] = []
    size = 0
    for number in range(reader.num_record_batches):
        batches.append(reader.get_batch(number))
        size += max(batches[-1].nbytes, 8 * batches[-1].num_rows * batches[-1].num_columns)
        if COPIES * size > psutil.virtual_memory().available:
            raise UserError(f"{label}: has more rows than fit in the memory that is free; take a part of the rows")
    return pa.Table.from_batches(batches, reader.schema)


def _checked(label: str, table: pa.Table) -> pd.DataFrame:
    columns = [simplified(column) for column in table.columns]
    require_names(label, table.column_names)
    for name, column in zip(table.column_names, columns, strict=True):
        require_characters(label, name, column)
    return pa.table(columns, table.column_names).to_pandas(types_mapper=kept_type, ignore_metadata=True)


def _require_memory(label: str, metadata: pa.parquet.FileMetaData) -> None:
    sizes = [metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups)]
    needed = COPIES * max(8 * metadata.num_rows * metadata.num_columns, sum(sizes))
    available = psutil.virtual_memory().available
    if needed > available:
        raise UserError(
            f"{label}: says that it has {metadata.num_rows:,} rows of {metadata.num_columns:,} columns, which need "
            f"some {needed / 1e9:,.0f} GB of memory, and {available / 1e9:,.0f} GB are free; take a part of the rows"
        )


def simplified(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without a type of its own, and decimal numbers as float64."""
    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    return column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column


def kept_type(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Return the type of a column with values that are no numbers, words, dates or booleans; None for the others."""
    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_word = pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values)
    is_number = pa.types.is_integer(values) or pa.types.is_floating(values) or pa.types.is_boolean(values)
    is_date = pa.types.is_timestamp(values) or pa.types.is_date(values)
    return None if is_word or is_number or is_date or pa.types.is_null(values) else pd.ArrowDtype(kind)


def require_characters(label: str, name: str, column: pa.ChunkedArray, first_row: int = 0) -> None:
    """Raise UserError if words are not UTF-8, or if a word has a NUL character.

    The column begins with row number `first_row` of the table, counted from 0.
    """
    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raise UserError(f"{label}: column {name!r} has words that are not UTF-8; write it again as UTF-8") from None
    nul = pa.compute.index(pa.compute.match_substring(column, "\0"), True).as_py()
    if nul >= 0:
        raise UserError(
            f"{label}: column {name!r}, row {first_row + nul + 1}: has a NUL character, expected text; remove it"
        )
