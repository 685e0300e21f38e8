"""Read a table from a CSV or Parquet file, strictly: what is not as expected is said, with its line and column."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from straightline.errors import UserError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
SAMPLE_LINES = 100  # that delimiter and decimal mark are found in
CHUNK = 2**20
SHOWN = 3  # of what is wrong alike
MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A"]
FOREIGN = (
    (b"\x1f\x8b", "compressed (gzip)", "decompress it"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "unpack it, or save it as CSV"),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\xff\xfe", "UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save it as UTF-8"),
)


@dataclass(frozen=True)
class Format:
    """How a CSV file separates its values and writes its numbers."""

    delimiter: str
    decimal: str

    @property
    def words(self) -> str:
        """What it is, for a reader."""
        mark = "point" if self.decimal == "." else "comma"
        return f"values separated by {DELIMITERS.get(self.delimiter, repr(self.delimiter))}, decimal {mark}"


def read_table(
    path: Path, delimiter: str | None = None, decimal: str | None = None
) -> tuple[pd.DataFrame, Format | None]:
    """Return the table in a Parquet or CSV file (UTF-8, a header line), and how the latter is written.

    `delimiter` and `decimal` are found where they are None. Raises UserError, naming file, line and column, where the
    file is absent, empty or something else, is not UTF-8, has no unique column names, rows of another length than
    its header, or no row.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise UserError(
            f"{path}: {what}; give the path of a CSV or Parquet file (under `dvc exp run --temp` and the queue a "
            "file that neither git nor DVC tracks is absent: `dvc add` it)"
        )
    if path.suffix.lower() in (".parquet", ".pq"):
        frame, written = _read_parquet(path), None
    else:
        _require_text(path)
        written = _format(path, delimiter, decimal)
        frame = _read_csv(path, written)
    if frame.empty:
        raise UserError(f"{path}: has a header and no rows; expected at least one row below it")
    return frame, written


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path}: not readable as Parquet: {_line(error)}; write it again, or as CSV") from None
    _require_names(path, table.column_names)
    return table.to_pandas()


def _require_text(path: Path) -> None:
    """Raise UserError unless the file is UTF-8 text, and none of what people take for a table."""
    line = 1
    with path.open("rb") as file:
        first = file.read(CHUNK)
        if not first.strip(b"\xef\xbb\xbf \t\r\n"):
            raise UserError(f"{path}: is empty; expected a header line and rows below it")
        for magic, what, advice in FOREIGN:
            if first.startswith(magic):
                raise UserError(f"{path}: is {what}, expected a CSV file in UTF-8; {advice}")
        if re.match(rb"\s*<(!doctype|html|\?xml)", first.removeprefix(b"\xef\xbb\xbf"), re.IGNORECASE):
            raise UserError(f"{path}: is a web page, expected a CSV file; download the file itself")
        chunk = first
        while chunk:
            chunk += file.readline()  # so that no character is cut in two
            if (at := chunk.find(b"\0")) >= 0:
                found = line + chunk.count(b"\n", 0, at)
                raise UserError(f"{path}: line {found}: has a NUL byte, expected text; write the file again")
            try:
                chunk.decode("utf-8")
            except UnicodeDecodeError as error:
                found = line + chunk.count(b"\n", 0, error.start)
                raise UserError(
                    f"{path}: line {found}: byte 0x{chunk[error.start]:02x} is not UTF-8; save the file as UTF-8"
                ) from None
            line += chunk.count(b"\n")
            chunk = file.read(CHUNK)


def _format(path: Path, delimiter: str | None, decimal: str | None) -> Format:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for _, line in zip(range(SAMPLE_LINES), file, strict=False) if line.strip()]
    found = delimiter or _delimiter(path, lines)
    cells = [cell.strip() for row in csv.reader(lines[1:], delimiter=found) for cell in row]
    if decimal is None:
        commas, points = (any(re.fullmatch(rf"[-+]?\d+{mark}\d+", cell) for cell in cells) for mark in (",", r"\."))
        if commas and points and found != ",":
            raise UserError(
                f"{path}: has numbers with commas and with points; give the decimal mark: --decimal or data.decimal"
            )
        decimal = "," if commas and found != "," else "."
    if decimal == found:
        raise UserError(
            f"{path}: delimiter and decimal mark are both {found!r}; give another one: --delimiter or data.delimiter"
        )
    return Format(found, decimal)


def _delimiter(path: Path, lines: Sequence[str]) -> str:
    """Return the delimiter by which header and rows have as many values, the most of all."""
    counts = {mark: [len(row) for row in csv.reader(lines, delimiter=mark)] for mark in DELIMITERS}
    even = {mark: own[0] for mark, own in counts.items() if own[0] > 1 and len(set(own)) == 1}
    some = {mark: own[0] for mark, own in counts.items() if own[0] > 1}
    best = max(even or some, key=(even or some).__getitem__, default=None)
    if best is None:
        return ","  # one column
    if list((even or some).values()).count((even or some)[best]) > 1:
        marks = " or ".join(DELIMITERS[mark] for mark in even or some)
        raise UserError(f"{path}: values may be separated by {marks}; give it: --delimiter or data.delimiter")
    return best


def _read_csv(path: Path, written: Format) -> pd.DataFrame:
    types: dict[str, pa.DataType] = {}
    while True:
        try:
            table = _parsed(path, written, types)
            break
        except pa.ArrowInvalid as error:
            _raise_ragged(path, written, error)
            _widen(path, written, types, error)
    _require_names(path, table.column_names)
    return table.to_pandas()


def _parsed(path: Path, written: Format, types: dict[str, pa.DataType]) -> pa.Table:
    return pa.csv.read_csv(
        path,
        parse_options=_parse_options(written),
        convert_options=pa.csv.ConvertOptions(
            column_types=types,
            decimal_point=written.decimal,
            null_values=MISSING,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _parse_options(written: Format, handler: object = None) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(delimiter=written.delimiter, newlines_in_values=True, invalid_row_handler=handler)


def _raise_ragged(path: Path, written: Format, error: pa.ArrowInvalid) -> None:
    """Raise UserError with the rows whose length is not the header's, if that is what `error` is about."""
    if "columns, got" not in str(error):
        return
    rows: list[pa.csv.InvalidRow] = []

    def note(row: pa.csv.InvalidRow) -> str:
        rows.append(row)
        return "skip"

    strings = pa.csv.ConvertOptions(include_columns=[])
    options = pa.csv.ReadOptions(use_threads=False)
    pa.csv.read_csv(path, options, _parse_options(written, note), strings)
    told = ", ".join(f"row {row.number - 1} has {row.actual_columns}" for row in rows[:SHOWN])
    more = f", and {len(rows) - SHOWN:,} more rows" if len(rows) > SHOWN else ""
    raise UserError(
        f"{path}: the header has {rows[0].expected_columns} columns, {told}{more}; quote values that hold a "
        f"{DELIMITERS.get(written.delimiter, 'delimiter')}, or correct these rows"
    )


def _widen(path: Path, written: Format, types: dict[str, pa.DataType], error: pa.ArrowInvalid) -> None:
    """Note a wider type for the column that `error` is about: types are found in a file's first part only."""
    place = re.search(r"In CSV column #(\d+)", str(error))
    if place is None:
        raise UserError(f"{path}: not readable as CSV ({written.words}): {_line(error)}") from None
    with path.open(encoding="utf-8-sig", newline="") as file:
        name = next(csv.reader(file, delimiter=written.delimiter))[int(place[1])]
    if types.get(name) == pa.string():
        raise UserError(f"{path}: column {name!r} is not readable: {_line(error)}") from None
    types[name] = pa.float64() if "to int64" in str(error) else pa.string()


def _require_names(path: Path, names: Sequence[str]) -> None:
    blank = [f"column {number}" for number, name in enumerate(names, start=1) if not str(name).strip()]
    if blank:
        raise UserError(f"{path}: {', '.join(blank[:SHOWN])} has no name; name every column in the header")
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise UserError(f"{path}: column names must differ, got {', '.join(repeated[:SHOWN])} more than once")
    if all(re.fullmatch(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?", str(name).strip()) for name in names):
        raise UserError(f"{path}: the first line is numbers, expected the columns' names; add a header line")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
