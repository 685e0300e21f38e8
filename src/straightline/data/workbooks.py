"""What a spreadsheet file (.xlsx) would take in memory, found before a library reads it.

Calamine keeps a rectangle around all cells, and a copy of a shared text for each cell that has it, and ends the process
if memory does not suffice. A file of some kilobytes can ask for terabytes of both.
"""

import re
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import IO, NoReturn
from xml.parsers import expat

from straightline.data.contents import CHUNK, Content, most_bytes
from straightline.data.names import line_of
from straightline.data.unpacking import BROKEN, unlimited
from straightline.errors import UserError

CELL_BYTES = 100  # A cell needs this, as a value of Calamine and as one of Python.
SHEET = b"sheetData"
PLACE = re.compile(r"([A-Za-z]+)(\d+)")


@dataclass
class _Size:
    """The bytes, cells, shared texts and formulas without a value of a workbook, counted while it is parsed."""

    unpacked: int = 0
    cells: int = 0
    lengths: list[int] = field(default_factory=list)
    uses: Counter[int] = field(default_factory=Counter)
    not_computed: int = 0
    first: str = ""

    @property
    def needed(self) -> int:
        """The bytes of memory that reading the workbook takes."""
        words = sum(self.lengths[number] * count for number, count in self.uses.items() if number < len(self.lengths))
        return self.unpacked + CELL_BYTES * self.cells + words


def require_readable(content: Content) -> None:
    """Raise UserError if a workbook is damaged, needs too much memory, or has formulas without their values."""
    size = _Size()
    try:
        with content.open() as file, zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                with archive.open(unlimited(info)) as part:
                    _count(part, content.label, size)
    except BROKEN as error:
        raise unreadable(content.label, error) from None
    _require_memory(content.label, size)
    if size.not_computed:
        raise UserError(
            f"{content.label}: has {size.not_computed:,} formulas without their values, first in cell {size.first}; "
            "open it in a spreadsheet program and save it, so that they are computed"
        )


def unreadable(label: str, error: Exception) -> UserError:
    """Return the error of a file that is no spreadsheet that can be read."""
    return UserError(f"{label}: not readable as a spreadsheet: {line_of(error)}; save it again, or as CSV")


def _require_memory(label: str, size: _Size) -> None:
    if size.needed > most_bytes():
        raise UserError(
            f"{label}: needs some {size.needed / 1e9:,.1f} GB of memory ({size.cells:,} cells between the first and "
            "the last one of its sheets), more than is free; remove what stands far from the table, or save it as CSV"
        )


def _count(part: IO[bytes], label: str, size: _Size) -> None:
    """Add what a part of the workbook takes to `size`. What is no XML, such as a picture, counts by its bytes."""
    parser, failure, end, is_sheet = _Part(size), None, b"", False
    while chunk := part.read(CHUNK):
        size.unpacked += len(chunk)
        is_sheet = is_sheet or SHEET in end + chunk
        end = chunk[-len(SHEET) :]
        try:
            if failure is None:
                parser.feed(chunk)
        except (expat.ExpatError, ValueError) as error:
            failure = error
        if failure is not None and is_sheet:
            raise unreadable(label, failure)
        _require_memory(label, size)
    size.cells += parser.rows * parser.columns
    _require_memory(label, size)


class _Part:
    """Reads one part of a workbook: the cells of a sheet, or the texts that sheets share."""

    def __init__(self, size: _Size) -> None:
        self.size, self.rows, self.columns = size, 0, 0
        self._row = self._column = 0
        self._cell: dict[str, str] = {}
        self._has_formula = False
        self._text: list[str] = []  # of a value, or of all that a shared text consists of
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.StartDoctypeDeclHandler = _refuse

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes of the part."""
        self._parser.Parse(chunk)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._row = int(attributes["r"]) if "r" in attributes else self._row + 1
                self._column = 0
            case "c":
                self._cell, self._has_formula = attributes, False
                place = PLACE.fullmatch(attributes.get("r", ""))
                self._column = _number(place[1]) if place else self._column + 1
                self._row = int(place[2]) if place else self._row
            case "f":
                self._has_formula = True
            case "v" | "is":
                self.rows, self.columns = max(self.rows, self._row), max(self.columns, self._column)
                self._text.clear()
            case "si":
                self._text.clear()

    def _end(self, name: str) -> None:
        match name.rpartition(":")[2]:
            case "v":
                text = "".join(self._text)
                if self._cell.get("t") == "s" and text.strip().isdecimal():
                    self.size.uses[int(text)] += 1
                self._has_formula = self._has_formula and not text and self._cell.get("t") != "str"
            case "c" if self._has_formula:
                self.size.not_computed += 1
                self.size.first = self.size.first or self._cell.get("r", "?")
            case "si":
                self.size.lengths.append(len("".join(self._text)))


def _refuse(*_: object) -> NoReturn:
    raise expat.ExpatError("a document type, which no spreadsheet has")


@lru_cache(20_000)
def _number(letters: str) -> int:
    """Return the number of the column that `letters` name: 1 for A, 27 for AA."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number
