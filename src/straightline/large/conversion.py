"""Write a table as one Parquet file with typed columns, a part of its rows at a time.

Text is read by PyArrow's streaming reader, with the rules and messages of small files (`data/delimited.py`): types are
guessed from the first part of a file, and if a later value does not fit, the column gets a wider type, and reading
starts again. So types are those of the whole table.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from straightline.config.sources import Table
from straightline.config.streams import address, stream_name
from straightline.data import delimited
from straightline.data.chance import LARGE_ROWS
from straightline.data.contents import CHUNK, Content, opened
from straightline.data.names import line_of, require_names
from straightline.data.parquet import DAMAGED, require_characters, simplified
from straightline.data.reading import COLUMNAR, read_table
from straightline.data.text import MARKS
from straightline.data.unpacking import ZIP
from straightline.errors import UserError
from straightline.large.files import TableFile, is_several
from straightline.large.text import NeedsWiderTypesError, TextFile, text_file, text_of
from straightline.runtime.steps import step

GROUP_ROWS = 2**16  # rows of a row group
ROW = re.compile(r"\brow (\d+)\b")
IN_MEMORY = (".json", ".jsonl", ".ndjson", ".feather", ".arrow")  # These kinds are read as a whole.


@dataclass(frozen=True)
class Converted:
    """The Parquet file `path` with all rows of a table, how it was written, and its decimal mark.

    `starts` are the number of the first row of each file, for messages, and `labels` the names of the files.
    """

    path: Path
    rows: int
    description: str
    decimal: str
    labels: Sequence[str]
    starts: Sequence[int]

    def placed(self, message: str) -> str:
        """Return a message about rows of the table with the names of their files, if there are several.

        All messages name a row as `row 7`, counted from 1 in the whole table.
        """
        if len(self.labels) == 1:
            return message
        return ROW.sub(lambda match: self._place(int(match[1]) - 1), message)

    def _place(self, row: int) -> str:
        number = max(index for index, start in enumerate(self.starts) if start <= row)
        return f"{self.labels[number]}, row {row - self.starts[number] + 1}"


def converted(files: Sequence[TableFile], settings: Table, folder: Path, label: str) -> Converted:
    """Write all rows of `files` to a Parquet file in `folder`, in their order.

    Raises UserError, naming the file and where in it, for what cannot be read, and if files have different columns.
    """
    types: dict[str, pa.DataType] = {}
    with step(f"reading {label}") as reached:
        while True:
            try:
                return _written(files, settings, folder / "table.parquet", types, reached)
            except NeedsWiderTypesError:
                continue


def _written(
    files: Sequence[TableFile],
    settings: Table,
    path: Path,
    types: dict[str, pa.DataType],
    reached: Callable[[str], None],
) -> Converted:
    writer: pa.parquet.ParquetWriter | None = None
    schema: pa.Schema | None = None
    rows, starts, described, decimal = 0, [], "", "."
    try:
        for file in files:
            starts.append(rows)
            parts = _parts(file, settings, types)
            for part in parts.tables:
                table = _with_keys(part, file)
                if schema is None:
                    schema = table.schema.remove_metadata()
                    writer = pa.parquet.ParquetWriter(path, schema)
                table = _fitted(table, schema, types, file, files[0])
                assert writer is not None
                writer.write_table(table, GROUP_ROWS)
                rows += table.num_rows
                reached(f"{rows:,} rows")
            if not described:
                described, decimal = parts.description, parts.decimal
                if parts.text is not None and schema is not None:
                    described += delimited.codes(parts.text.content, parts.text.marks, schema)
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise UserError(f"{files[0].label}: has a header and no rows; expected at least one row below it")
    return Converted(path, rows, described, settings.decimal or decimal, [file.label for file in files], starts)


def _with_keys(table: pa.Table, file: TableFile) -> pa.Table:
    for name, value in file.keys.items():
        if name in table.column_names:
            raise UserError(f"{file.label}: has a column {name!r}, which its folder gives too; rename one of them")
        kind = pa.int64() if value.lstrip("-").isdecimal() else pa.string()
        table = table.append_column(name, pa.array([value] * table.num_rows).cast(kind))
    return table


def _fitted(
    table: pa.Table, schema: pa.Schema, types: dict[str, pa.DataType], file: TableFile, first: TableFile
) -> pa.Table:
    """Return the table with the types of `schema`, or begin again with wider types."""
    if table.column_names != schema.names:
        absent, more = sorted({*schema.names} - {*table.column_names}), sorted({*table.column_names} - {*schema.names})
        difference = f"no column {absent[0]!r}" if absent else f"a column {more[0]!r} more" if more else "another order"
        raise UserError(f"{file.label}: has {difference} than {first.label}; expected the same columns in all files")
    wider = {
        name: _wider(field.type, table[name].type)
        for name, field in zip(schema.names, schema, strict=True)
        if table[name].type != field.type
    }
    begun = {name: kind for name, kind in wider.items() if kind != schema.field(name).type}
    if begun:
        types |= begun
        raise NeedsWiderTypesError
    return table.cast(schema)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return a type that holds the values of both."""
    for kind, another in ((one, other), (other, one)):
        if pa.types.is_null(kind):
            return another
        if pa.types.is_floating(kind) and (pa.types.is_integer(another) or pa.types.is_floating(another)):
            return pa.float64()
    both_whole = pa.types.is_integer(one) and pa.types.is_integer(other)
    return pa.int64() if both_whole else pa.string()


@dataclass(frozen=True)
class _Parts:
    """The rows of a file in parts, how it is written in words, and its decimal mark."""

    tables: Iterator[pa.Table]
    description: str
    decimal: str = "."
    text: TextFile | None = None


def _parts(file: TableFile, settings: Table, types: dict[str, pa.DataType]) -> _Parts:
    content = opened(file.path, file.label)
    head = content.head(8)
    if head.startswith(b"PAR1"):
        return _Parts(_parquet_parts(content, types), "Parquet")
    if head.startswith((ZIP, *COLUMNAR, *MARKS)) or file.path.suffix.lower() in IN_MEMORY:
        frame, written = read_table(file.path, settings.delimiter, settings.decimal, settings.sheet, label=file.label)
        return _Parts(iter([pa.Table.from_pandas(frame, preserve_index=False)]), written.description, written.decimal)
    text = text_file(content, settings)
    return _Parts(text.parts(types), text.marks.description, text.marks.decimal, text)


def _parquet_parts(content: Content, types: dict[str, pa.DataType]) -> Iterator[pa.Table]:
    try:
        with pa.parquet.ParquetFile(content.for_arrow(), pre_buffer=False) as file:
            names = file.schema_arrow.names
            require_names(content.label, names)
            row = 0
            for batch in file.iter_batches(GROUP_ROWS):
                columns = [simplified(pa.chunked_array([column])) for column in batch.columns]
                for name, column in zip(names, columns, strict=True):
                    require_characters(content.label, name, column, row)
                yield pa.table(
                    [
                        _plain(column).cast(types.get(name, _plain(column).type))
                        for name, column in zip(names, columns, strict=True)
                    ],
                    names,
                )
                row += batch.num_rows
    except DAMAGED as error:
        raise UserError(
            f"{content.label}: not readable as Parquet: {line_of(error)}; write it again, or as CSV"
        ) from None


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of words as strings, whatever type of words it has."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    is_word = pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_string(kind)
    return column.cast(pa.string()) if is_word else column


def may_be_large(path: Path, label: str) -> bool:
    """Return whether a table may have more than LARGE_ROWS rows, so that it is converted.

    A table in several files, or at an address, always is.
    """
    if stream_name(path) is not None:
        return False
    if is_several(path) or address(path):
        return True
    if not path.is_file():
        return False
    if path.stat().st_size < LARGE_ROWS // 50:  # Compressed rows may take less than a byte.
        return False
    content = text_of(opened(path, label))
    head = content.head(8)
    if head.startswith(b"PAR1"):
        return _parquet_rows(content) > LARGE_ROWS
    if head.startswith((ZIP, *COLUMNAR)) or path.suffix.lower() in IN_MEMORY:
        return False
    with content.open() as file:
        lines = 0
        while lines <= LARGE_ROWS and (chunk := file.read(CHUNK)):
            lines += chunk.count(b"\n")
    return lines > LARGE_ROWS


def _parquet_rows(content: Content) -> int:
    try:
        return int(pa.parquet.read_metadata(content.for_arrow()).num_rows)
    except DAMAGED:
        return 0  # The reader of small files says what is wrong with it.
