"""CSV files that are read a part at a time, compressed or not."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv

from straightline.config.sources import Table
from straightline.data import delimited
from straightline.data.contents import CHUNK, Content
from straightline.data.marks import Marks, found
from straightline.data.names import line_of, require_names
from straightline.data.text import SEPARATOR, require_text
from straightline.data.unpacking import BROKEN, COMPRESSED
from straightline.errors import UserError


@dataclass(frozen=True)
class Packed(Content):
    """The bytes that a compressed file unpacks to; they are never in memory together."""

    magic: bytes = b""

    def open(self) -> BinaryIO:
        """Return a new reader of the unpacked bytes, which closes the file with itself."""
        return cast(BinaryIO, _Unpacking(super().open(), COMPRESSED[self.magic][1]))

    def for_arrow(self) -> Any:
        """Return what functions of PyArrow read the bytes from."""
        return self.open()


class _Unpacking(io.BufferedReader):
    """A reader of the unpacked bytes of `file`."""

    def __init__(self, file: BinaryIO, unpack: Callable[[BinaryIO], Any]) -> None:
        super().__init__(unpack(file), CHUNK)
        self._file = file

    def close(self) -> None:
        super().close()
        self._file.close()


class NeedsWiderTypesError(Exception):
    """A column needs a wider type than that with which the reading of a table was begun."""


def text_of(content: Content) -> Content:
    """Return the content of a text file, or what it unpacks to."""
    magic = next((magic for magic in COMPRESSED if content.head(8).startswith(magic)), None)
    return content if magic is None else Packed(content.label, content.source, magic)


@dataclass(frozen=True)
class TextFile:
    """A CSV file with its marks, and the names in its first line."""

    content: Content
    marks: Marks
    header: tuple[str, ...]

    def parts(self, types: dict[str, pa.DataType]) -> Iterator[pa.Table]:
        """Yield the rows. Columns in `types` have these types, and others are guessed from the first part.

        Raises UserError as `delimited.read_delimited` does, and NeedsWiderTypesError, after a change of `types`, if a
        value does not fit.
        """
        kept = [number for number, name in enumerate(self.header) if name]
        unnamed = [number for number, name in enumerate(self.header) if not name]
        blank = (
            0 if isinstance(self.content, Packed) else delimited.blank_rows_at_end(self.content, self.marks.delimiter)
        )
        breaks, row, last = False, 0, None
        try:
            for batch in self._batches(types):
                for number in unnamed:
                    if not (_is_empty(batch.column(number)) or (number == 0 and _counts(batch.column(0), row))):
                        require_names(self.content.label, self.header)
                table = batch.select(kept or list(range(batch.num_columns)))
                require_names(self.content.label, table.column_names)
                breaks = breaks or any(delimited.has_line_breaks(column) for column in table.columns)
                row += table.num_rows
                if last is not None:
                    yield last
                last = table
        except pa.ArrowInvalid as error:
            delimited.raise_ragged(self.content, self.marks, error)
            delimited.widen(self.content, self.marks, types, error)
            raise NeedsWiderTypesError from None
        except BROKEN as error:
            raise UserError(
                f"{self.content.label}: cannot be unpacked: {line_of(error)}; pack or download it again"
            ) from None
        if breaks:
            delimited.require_closed_quotes(self.content, self.marks)
        if last is not None:
            yield _without_blank_rows(last, blank)

    def _batches(self, types: dict[str, pa.DataType]) -> Iterator[pa.Table]:
        options = pa.csv.ReadOptions(block_size=delimited.BLOCK)
        parsing, conversion = delimited.parse_options(self.marks), delimited.convert_options(self.marks, types)
        with closing(self.content.open()) as file, pa.csv.open_csv(file, options, parsing, conversion) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch]).rename_columns(list(self.header))


def text_file(content: Content, settings: Table) -> TextFile:
    """Return how a CSV file is written. Raises UserError if it is no text, or as `marks.found` does."""
    content = text_of(content)
    require_text(content)
    separator = SEPARATOR.match(content.head(32))
    if separator is not None:
        raise UserError(
            f"{content.label}: begins with a line sep=, which large files may not have; remove the first line"
        )
    marks = found(content, settings.delimiter, settings.decimal)
    with content.text() as lines:
        header = next(csv.reader(lines, delimiter=marks.delimiter))
    return TextFile(content, marks, tuple(name.strip() for name in header))


def _is_empty(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == len(column))


def _counts(column: pa.ChunkedArray, row: int) -> bool:
    """Return whether a column of integers numbers the rows from number `row` on, from 0 or from 1."""
    if not pa.types.is_integer(column.type) or column.null_count:
        return False
    first = column[0].as_py() - row
    return first in (0, 1) and bool((column.to_numpy() == range(row + first, row + first + len(column))).all())


def _without_blank_rows(table: pa.Table, blank: int) -> pa.Table:
    while blank and any(column.slice(table.num_rows - blank).null_count < blank for column in table.columns):
        blank -= 1
    return table.slice(0, table.num_rows - blank)
