"""Read a table from a CSV or Parquet file strictly. Errors name the line and the column."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from straightline.data.names import SHOWN, line_of, require_names, require_number
from straightline.data.parquet import read_parquet
from straightline.errors import UserError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_LINES = 100  # The delimiter and the decimal mark are detected in this number of lines.
SAMPLE_CELLS = 100_000
CHUNK = 2**20  # Bytes that are checked at once.
BLOCK = 2**24  # Bytes that PyArrow reads at once; a row may not be longer.
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A"]
FOREIGN = (
    (b"\x1f\x8b", "compressed (gzip)", "decompress it"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it, or save it as CSV"),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\xff\xfe", "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save it as UTF-8"),
)


csv.field_size_limit(2**31 - 1)  # A cell may be long; the default of 131,072 characters is an error of its own.


@dataclass(frozen=True)
class Format:
    """The delimiter and the decimal mark of a CSV file."""

    delimiter: str
    decimal: str

    @property
    def description(self) -> str:
        """The format in words, for a message."""
        mark = "point" if self.decimal == "." else "comma"
        return f"values separated by {DELIMITERS.get(self.delimiter, repr(self.delimiter))}, decimal {mark}"


def read_table(
    path: Path, delimiter: str | None = None, decimal: str | None = None
) -> tuple[pd.DataFrame, Format | None]:
    """Return the table in a Parquet or CSV file, and the format of a CSV file (None for Parquet).

    A CSV file is in UTF-8 and has a header line. If `delimiter` or `decimal` is None, it is detected. Raises UserError,
    naming file, line and column, if the file is absent, empty, of another kind or not in UTF-8, if column names are
    missing or repeated, if a row has another length than the header, or if there is no row.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "no such file"
        raise UserError(
            f"{path}: {problem}; give the path of a CSV or Parquet file (`dvc exp run --temp` and the queue see only "
            "files that git or DVC tracks: `dvc add` it)"
        )
    if path.suffix.lower() in (".parquet", ".pq"):
        frame, file_format = read_parquet(path), None
    else:
        _require_text(path)
        file_format = _format(path, delimiter, decimal)
        frame = _read_csv(path, file_format)
    if frame.empty:
        raise UserError(f"{path}: has a header and no rows; expected at least one row below it")
    return frame, file_format


def read_as_written(path: Path, name: str, file_format: Format) -> pd.Series:
    """Return a column of a CSV file, which `read_table` has read, as text `(rows,)`; 01234 and NA stay so."""
    options = pa.csv.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
    table = pa.csv.read_csv(path, pa.csv.ReadOptions(block_size=BLOCK), _parse_options(file_format), options)
    return table[name].to_pandas()


def _require_text(path: Path) -> None:
    """Raise UserError unless the file is UTF-8 text, or if it is a spreadsheet, an archive or a web page."""
    line = 1
    with path.open("rb") as file:
        first = file.read(CHUNK)
        if not first.strip(b"\xef\xbb\xbf \t\r\n"):
            raise UserError(f"{path}: is empty; expected a header line and rows below it")
        for magic, kind, advice in FOREIGN:
            if first.startswith(magic):
                raise UserError(f"{path}: is {kind}, expected a CSV file in UTF-8; {advice}")
        if re.match(rb"\s*<(!doctype|html|\?xml)", first.removeprefix(b"\xef\xbb\xbf"), re.IGNORECASE):
            raise UserError(f"{path}: is a web page, expected a CSV file; download the file itself")
        chunk = first
        while chunk:
            chunk += file.readline()  # A chunk ends with a whole line, so that no character is divided.
            if (at := chunk.find(b"\0")) >= 0:
                bad_line = line + chunk.count(b"\n", 0, at)
                raise UserError(f"{path}: line {bad_line}: has a NUL byte, expected text; write the file again")
            try:
                chunk.decode("utf-8")
            except UnicodeDecodeError as error:
                bad_line = line + chunk.count(b"\n", 0, error.start)
                raise UserError(
                    f"{path}: line {bad_line}: byte 0x{chunk[error.start]:02x} is not UTF-8; save the file as UTF-8"
                ) from None
            line += chunk.count(b"\n")
            chunk = file.read(CHUNK)


def _format(path: Path, delimiter: str | None, decimal: str | None) -> Format:
    _require_marks(delimiter, decimal)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for _, line in zip(range(SAMPLE_LINES), file, strict=False) if line.strip()]
    delimiter = delimiter or _delimiter(path, lines)
    require_number(path, len(next(csv.reader(lines, delimiter=delimiter))))
    every = (cell.strip() for row in csv.reader(lines[1:], delimiter=delimiter) for cell in row)
    cells = list(islice(every, SAMPLE_CELLS))
    if decimal is None:
        commas, points = (any(re.fullmatch(rf"[-+]?\d+{mark}\d+", cell) for cell in cells) for mark in (",", r"\."))
        if commas and points and delimiter != ",":
            raise UserError(
                f"{path}: has numbers with commas and with points; give the decimal mark: --decimal or data.decimal"
            )
        decimal = "," if commas and delimiter != "," else "."
    if decimal == delimiter:
        raise UserError(
            f"{path}: delimiter and decimal mark are both {delimiter!r}; give another delimiter: --delimiter or "
            "data.delimiter"
        )
    return Format(delimiter, decimal)


def _require_marks(delimiter: str | None, decimal: str | None) -> None:
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UserError(
            f"delimiter: expected one ASCII character that is no quote and no end of line, got {delimiter!r}; correct "
            "--delimiter or data.delimiter"
        )
    if decimal not in (None, ".", ","):
        raise UserError(f"decimal mark: expected '.' or ',', got {decimal!r}; correct --decimal or data.decimal")


def _delimiter(path: Path, lines: Sequence[str]) -> str:
    """Return the delimiter that divides the header into the most values, more than one.

    Delimiters that divide all lines into the same number of values are preferred.
    """
    counts = {mark: [len(row) for row in csv.reader(lines, delimiter=mark)] for mark in DELIMITERS}
    several = {mark: lengths[0] for mark, lengths in counts.items() if lengths[0] > 1}
    even = {mark: length for mark, length in several.items() if len(set(counts[mark])) == 1}
    candidates = even or several
    best = max(candidates, key=candidates.__getitem__, default=None)
    if best is None:
        return ","  # The file has one column.
    if list(candidates.values()).count(candidates[best]) > 1:
        marks = " or ".join(DELIMITERS[mark] for mark in candidates)
        raise UserError(f"{path}: values may be separated by {marks}; give it: --delimiter or data.delimiter")
    return best


def _read_csv(path: Path, file_format: Format) -> pd.DataFrame:
    types: dict[str, pa.DataType] = {}
    while True:
        try:
            table = _parsed(path, file_format, types)
            break
        except pa.ArrowInvalid as error:
            _raise_ragged(path, file_format, error)
            _widen(path, file_format, types, error)
    require_names(path, table.column_names)
    if any(_has_line_breaks(column) for column in table.columns):
        _require_closed_quotes(path, file_format)
    return table.to_pandas()


def _has_line_breaks(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) and bool(pa.compute.any(pa.compute.match_substring(column, "\n")).as_py())


def _require_closed_quotes(path: Path, file_format: Format) -> None:
    """Raise UserError if a quote is not closed. PyArrow would take the rows that follow for a part of its cell."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, delimiter=file_format.delimiter, strict=True)
        line = 1
        try:
            for _ in rows:
                line = rows.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{path}: line {line}: a quote opens a cell of several lines, and is not closed where the cell ends "
                f'({error}); close it, or write a quote inside a cell twice ("")'
            ) from None


def _parsed(path: Path, file_format: Format, types: dict[str, pa.DataType]) -> pa.Table:
    return pa.csv.read_csv(
        path,
        pa.csv.ReadOptions(block_size=BLOCK),
        parse_options=_parse_options(file_format),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            decimal_point=file_format.decimal,
            null_values=MISSING,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _parse_options(file_format: Format, handler: object = None) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(delimiter=file_format.delimiter, newlines_in_values=True, invalid_row_handler=handler)


def _raise_ragged(path: Path, file_format: Format, error: pa.ArrowInvalid) -> None:
    """If `error` is about a row with another length than the header, raise UserError with all these rows."""
    if "columns, got" not in str(error):
        return
    rows: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        rows.append(row)
        return "skip"

    no_columns = pa.csv.ConvertOptions(include_columns=[])
    options = pa.csv.ReadOptions(use_threads=False, block_size=BLOCK)
    pa.csv.read_csv(path, options, _parse_options(file_format, note), no_columns)
    lengths = ", ".join(f"row {row.number - 1} has {row.actual_columns}" for row in rows[:SHOWN])
    more = f", and {len(rows) - SHOWN:,} more rows" if len(rows) > SHOWN else ""
    raise UserError(
        f"{path}: the header has {rows[0].expected_columns} columns, {lengths}{more}; quote values that hold a "
        f"{DELIMITERS.get(file_format.delimiter, 'delimiter')}, or correct these rows"
    )


def _widen(path: Path, file_format: Format, types: dict[str, pa.DataType], error: pa.ArrowInvalid) -> None:
    """Set a wider type for the column in `error`. PyArrow guesses types from the first part of a file only."""
    column = re.search(r"In CSV column #(\d+)", str(error))
    if column is None:
        raise UserError(f"{path}: not readable as CSV ({file_format.description}): {line_of(error)}") from None
    with path.open(encoding="utf-8-sig", newline="") as file:
        name = next(csv.reader(file, delimiter=file_format.delimiter))[int(column[1])]
    if types.get(name) == pa.string():
        raise UserError(f"{path}: column {name!r} is not readable: {line_of(error)}") from None
    types[name] = pa.float64() if "to int64" in str(error) else pa.string()
