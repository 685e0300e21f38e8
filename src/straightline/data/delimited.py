"""Read a table from a CSV file strictly. Errors name the line and the column."""

import csv
import re
from collections.abc import Sequence
from itertools import islice

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from straightline.data.contents import Content
from straightline.data.marks import DELIMITERS, SAMPLE_LINES, Marks, found
from straightline.data.names import MISSING, SHOWN, line_of, require_names
from straightline.errors import UserError

CODE = re.compile(r"0+[1-9]\d*")  # whole numbers with zeros in front, such as 01067
TAIL = 2**16  # Bytes at the end in which blank rows are looked for.
BLOCK = 2**24  # Bytes that PyArrow reads at once; a row may not be longer.


def read_delimited(content: Content, delimiter: str | None, decimal: str | None) -> tuple[pd.DataFrame, Marks, str]:
    """Return the table in a CSV file, its delimiter and decimal mark, and in words what else was found, or "".

    The file is in UTF-8 and has a header line. If `delimiter` or `decimal` is None, it is detected. Blank
    rows at the end, columns without a name and a value, and a first column without a name that numbers the rows are
    left out. Raises UserError, naming line and column, if column names are missing or
    repeated, if a quote is not closed, or if a row has another length than the header.
    """
    marks = found(content, delimiter, decimal)
    table = _table(content, marks)
    table = table.rename_columns([name.strip() for name in table.column_names])
    table, left_out = _without_unnamed(table)
    require_names(content.label, table.column_names)
    if any(has_line_breaks(column) for column in table.columns):
        require_closed_quotes(content, marks)
    left_out += codes(content, marks, table.schema)
    frame = table.to_pandas()
    blank = blank_rows_at_end(content, marks.delimiter)
    while blank and frame.iloc[-blank:].notna().any(axis=None):
        blank -= 1
    return frame.iloc[: len(frame) - blank], marks, left_out


def codes(content: Content, marks: Marks, schema: pa.Schema) -> str:
    """Return in words which columns of whole numbers have zeros in front in the first lines, or ""."""
    with content.text() as file:
        rows = list(csv.reader(islice(file, SAMPLE_LINES), delimiter=marks.delimiter))
    written = {
        name: cell
        for row in reversed(rows[1:])
        for name, cell in zip((title.strip() for title in rows[0]), row, strict=False)
        if CODE.fullmatch(cell.strip())
    }
    found = [name for name in schema.names if name in written and pa.types.is_integer(schema.field(name).type)]
    if not found:
        return ""
    return (
        f", {found[0]}: {written[found[0]].strip()} is read as a number; if it is a code, name it in --categorical "
        f"(data.categorical){f', and {len(found) - 1} more columns too' if len(found) > 1 else ''}"
    )


def columns_as_written(content: Content, names: Sequence[str], delimiter: str) -> pd.DataFrame:
    """Return columns of a CSV file as text, with blank rows at its end."""
    with content.text() as file:
        header = next(csv.reader(file, delimiter=delimiter))
    titles = {each: each.strip() for each in header if each.strip() in names}
    table = pa.csv.read_csv(
        content.for_arrow(),
        pa.csv.ReadOptions(block_size=BLOCK),
        pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        pa.csv.ConvertOptions(include_columns=list(titles), column_types=dict.fromkeys(titles, pa.string())),
    )
    return table.to_pandas().rename(columns=titles)[list(names)]


def blank_rows_at_end(content: Content, delimiter: str) -> int:
    """Return how many rows at the end consist of delimiters alone, as spreadsheet programs write them."""
    with content.open() as file:
        file.seek(max(0, content.size - TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()[1:]
    blank = 0
    for line in reversed(lines):
        if line.strip(f'{delimiter} \t"'):
            break
        blank += delimiter in line
    return blank


def _table(content: Content, marks: Marks) -> pa.Table:
    types: dict[str, pa.DataType] = {}
    while True:
        try:
            return _parsed(content, marks, types)
        except pa.ArrowInvalid as error:
            raise_ragged(content, marks, error)
            widen(content, marks, types, error)


def _without_unnamed(table: pa.Table) -> tuple[pa.Table, str]:
    """Leave out what programs write without a name: row numbers in the first column, and empty columns."""
    unnamed = [at for at, name in enumerate(table.column_names) if not name]
    left_out = [at for at in unnamed if table.column(at).null_count == table.num_rows]
    is_numbered = 0 in unnamed and len(table) > 0 and _numbers_rows(table.column(0))
    left_out += [0] if is_numbered else []
    kept = [at for at in range(table.num_columns) if at not in left_out]
    note = ", the first column, which has no name and numbers the rows, left out" if is_numbered else ""
    return table.select(kept) if left_out and kept else table, note if kept else ""


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    first = column[0].as_py()
    return first in (0, 1) and bool((column.to_numpy() == range(first, first + len(column))).all())


def has_line_breaks(column: pa.ChunkedArray) -> bool:
    """Return whether a cell of a column has several lines."""
    return pa.types.is_string(column.type) and bool(pa.compute.any(pa.compute.match_substring(column, "\n")).as_py())


def require_closed_quotes(content: Content, marks: Marks) -> None:
    """Raise UserError if a quote is not closed. PyArrow would take the rows that follow for a part of its cell."""
    with content.text() as file:
        rows = csv.reader(file, delimiter=marks.delimiter, strict=True)
        line = 1
        try:
            for _ in rows:
                line = rows.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{content.label}: line {line}: a quote opens a cell of several lines, and is not closed where the "
                f'cell ends ({error}); close it, or write a quote inside a cell twice ("")'
            ) from None


def _parsed(content: Content, marks: Marks, types: dict[str, pa.DataType]) -> pa.Table:
    options = pa.csv.ReadOptions(block_size=BLOCK)
    return pa.csv.read_csv(content.for_arrow(), options, parse_options(marks), convert_options(marks, types))


def convert_options(marks: Marks, types: dict[str, pa.DataType]) -> pa.csv.ConvertOptions:
    """Return how cells become values; columns in `types` have these types, others are guessed."""
    return pa.csv.ConvertOptions(
        column_types=types,
        decimal_point=marks.decimal,
        null_values=list(MISSING),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )


def parse_options(marks: Marks, handler: object = None) -> pa.csv.ParseOptions:
    """Return how rows are divided into cells; `handler` gets the rows of another length than the header."""
    return pa.csv.ParseOptions(delimiter=marks.delimiter, newlines_in_values=True, invalid_row_handler=handler)


def raise_ragged(content: Content, marks: Marks, error: pa.ArrowInvalid) -> None:
    """If `error` is about a row with another length than the header, raise UserError with all these rows."""
    if "columns, got" not in str(error):
        return
    require_closed_quotes(content, marks)
    rows: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        rows.append(row)
        return "skip"

    no_columns = pa.csv.ConvertOptions(include_columns=[])
    options = pa.csv.ReadOptions(use_threads=False, block_size=BLOCK)
    pa.csv.read_csv(content.for_arrow(), options, parse_options(marks, note), no_columns)
    lengths = ", ".join(f"row {row.number - 1} has {row.actual_columns}" for row in rows[:SHOWN])
    more = f", and {len(rows) - SHOWN:,} more rows" if len(rows) > SHOWN else ""
    if rows[0].number == 2 and rows[0].expected_columns == 1:
        raise UserError(
            f"{content.label}: the first line has one value, and the next one has {rows[0].actual_columns}; if it is a "
            "title, remove all lines above the names of the columns"
        )
    raise UserError(
        f"{content.label}: the header has {rows[0].expected_columns} columns, {lengths}{more}; quote values that hold "
        f"a {DELIMITERS.get(marks.delimiter, 'delimiter')}, or correct these rows"
    )


def widen(content: Content, marks: Marks, types: dict[str, pa.DataType], error: pa.ArrowInvalid) -> None:
    """Set a wider type for the column in `error`. PyArrow guesses types from the first part of a file only."""
    column = re.search(r"In CSV column #(\d+)", str(error))
    if column is None:
        raise UserError(f"{content.label}: not readable as CSV ({marks.description}): {line_of(error)}") from None
    with content.text() as file:
        name = next(csv.reader(file, delimiter=marks.delimiter))[int(column[1])]
    if types.get(name) == pa.string():
        raise UserError(f"{content.label}: column {name!r} is not readable: {line_of(error)}") from None
    types[name] = pa.float64() if "to int64" in str(error) else pa.string()
