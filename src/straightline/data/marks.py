"""Find the delimiter and the decimal mark of a CSV file."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from straightline.data.contents import Content
from straightline.data.names import require_number
from straightline.errors import UserError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
# A decimal comma in a number with a sign: 3,5 % and 1.200,50 €, but not 1,200 €, where it may group digits.
COMMA_IN_UNIT = re.compile(r"[-+−(€$£¥\s]*(\d+,(\d{1,2}|\d{4,})|\d{1,3}(\.\d{3})+,\d+)[)€$£¥%\s]*")
SAMPLE_LINES = 100  # The delimiter and the decimal mark are detected in this number of lines.
SAMPLE_CELLS = 100_000

csv.field_size_limit(2**31 - 1)  # A cell may be long; the default of 131,072 characters is an error of its own.


@dataclass(frozen=True)
class Marks:
    """The delimiter and the decimal mark of a CSV file."""

    delimiter: str
    decimal: str

    @property
    def description(self) -> str:
        """Both in words, for a message."""
        mark = "point" if self.decimal == "." else "comma"
        return f"values separated by {DELIMITERS.get(self.delimiter, repr(self.delimiter))}, decimal {mark}"


def found(content: Content, delimiter: str | None, decimal: str | None) -> Marks:
    """Return the delimiter and the decimal mark of a CSV file in UTF-8; what is None is detected in its first lines.

    Raises UserError if a mark that is given is none, if several fit, or if there are too many columns.
    """
    _require_marks(delimiter, decimal)
    with content.text() as file:
        lines = [line for line in islice(file, SAMPLE_LINES) if line.strip()]
    delimiter = delimiter or _delimiter(content, lines)
    require_number(content.label, len(next(csv.reader(lines, delimiter=delimiter))))
    every = (cell.strip() for row in csv.reader(lines[1:], delimiter=delimiter) for cell in row)
    cells = list(islice(every, SAMPLE_CELLS))
    if decimal is None:
        commas, points = (any(re.fullmatch(rf"[-+]?\d+{mark}\d+", cell) for cell in cells) for mark in (",", r"\."))
        commas = commas or (not points and any(COMMA_IN_UNIT.fullmatch(cell) for cell in cells))
        if commas and points and delimiter != ",":
            raise UserError(
                f"{content.label}: has numbers with commas and with points; give the decimal mark: --decimal or "
                "data.decimal"
            )
        decimal = "," if commas and delimiter != "," else "."
    if decimal == delimiter:
        raise UserError(
            f"{content.label}: delimiter and decimal mark are both {delimiter!r}; give another delimiter: --delimiter "
            "or data.delimiter"
        )
    return Marks(delimiter, decimal)


def _require_marks(delimiter: str | None, decimal: str | None) -> None:
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise UserError(
            f"delimiter: expected one ASCII character that is no quote and no end of line, got {delimiter!r}; correct "
            "--delimiter or data.delimiter"
        )
    if decimal not in (None, ".", ","):
        raise UserError(f"decimal mark: expected '.' or ',', got {decimal!r}; correct --decimal or data.decimal")


def _delimiter(content: Content, lines: Sequence[str]) -> str:
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
        raise UserError(f"{content.label}: values may be separated by {marks}; give it: --delimiter or data.delimiter")
    return best
