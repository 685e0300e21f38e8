"""Read a table from a file, whatever its kind: the first bytes say it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from straightline.data.contents import Content, opened
from straightline.data.delimited import columns_as_written, read_delimited
from straightline.data.parquet import read_feather, read_parquet
from straightline.data.records import SUFFIXES, is_json, read_records
from straightline.data.spreadsheets import OLD, read_sheet
from straightline.data.text import decoded, require_text, without_separator_line
from straightline.data.unpacking import ZIP, unpacked
from straightline.errors import UserError

HEAD = 4096  # bytes that say of which kind a file is
COLUMNAR: dict[bytes, Callable[[Content], pd.DataFrame]] = {
    b"PAR1": read_parquet,
    b"ARROW1": read_feather,
    b"FEA1": read_feather,
}
BY_NAME: dict[str, Callable[[Content], pd.DataFrame]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".feather": read_feather,
    ".arrow": read_feather,
}


@dataclass(frozen=True)
class Format:
    """How a table was written, in words, and its decimal mark, which decides how text such as 1,200 is read.

    `delimiter` is that of a CSV file, or None.
    """

    description: str
    decimal: str = "."
    delimiter: str | None = None


def read_table(
    path: Path,
    delimiter: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
    label: str | None = None,
) -> tuple[pd.DataFrame, Format]:
    """Return the table in the file, the pipe or (`-`) the standard input `path`, and how it was written.

    It may be CSV or JSON (in UTF-8, or UTF-16 with its mark), Parquet, Feather, or a sheet of a spreadsheet; CSV, JSON
    and the others may be compressed, or the only table of a zip archive. `delimiter` and `decimal` are those of a CSV
    file, detected if None; `sheet` is the name of a sheet, needed if several have tables. `label` names the file in
    messages. Raises UserError in one line, naming the file and where in it, if it is absent, empty, of another kind,
    damaged, or too large for the memory that is free, and if a table in it has no rows or no proper names.
    """
    content = unpacked(opened(path, label))
    frame, written = _read(content, path.suffix.lower(), delimiter, decimal, sheet)
    if frame.empty:
        raise UserError(f"{content.label}: has a header and no rows; expected at least one row below it")
    return frame, written


def read_as_written(path: Path, names: Sequence[str], delimiter: str) -> pd.DataFrame:
    """Return columns of a CSV file, which `read_table` has read, as text; 01234 and NA stay so.

    There may be blank rows at its end, which `read_table` leaves out.
    """
    content, _ = without_separator_line(decoded(unpacked(opened(path))))
    return columns_as_written(content, names, delimiter)


def _read(
    content: Content, suffix: str, delimiter: str | None, decimal: str | None, sheet: str | None
) -> tuple[pd.DataFrame, Format]:
    head = content.head(HEAD)
    if head.startswith(OLD):
        raise UserError(
            f"{content.label}: is a spreadsheet of the old kind (.xls), or one with a password; save it as .xlsx "
            "without a password, or as CSV"
        )
    if head.startswith(ZIP):
        frame, described = read_sheet(content, sheet)
        return frame, Format(described, decimal or ".")
    if sheet is not None:
        raise UserError(f"{content.label}: has no sheets, since it is no spreadsheet; leave --sheet (data.sheet) out")
    reader = next((reader for magic, reader in COLUMNAR.items() if head.startswith(magic)), BY_NAME.get(suffix))
    if reader is not None:
        return reader(content), Format("Parquet" if reader is read_parquet else "Feather", decimal or ".")
    return _read_text(decoded(content), suffix, delimiter, decimal)


def _read_text(
    content: Content, suffix: str, delimiter: str | None, decimal: str | None
) -> tuple[pd.DataFrame, Format]:
    require_text(content)
    if suffix in SUFFIXES or is_json(content.head(HEAD)):
        return read_records(content), Format("objects of JSON", decimal or ".")
    content, separator = without_separator_line(content)
    frame, marks, left_out = read_delimited(content, separator if delimiter is None else delimiter, decimal)
    return frame, Format(marks.description + left_out, marks.decimal, marks.delimiter)
