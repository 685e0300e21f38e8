"""Read a table from a sheet of a spreadsheet file (.xlsx)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from straightline.data import cells
from straightline.data.contents import Content
from straightline.data.names import MISSING, SHOWN, require_names, require_number
from straightline.data.unpacking import members
from straightline.data.workbooks import require_readable, unreadable
from straightline.errors import UserError
from straightline.formatting import listed

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

OLD = b"\xd0\xcf\x11\xe0"  # Files of this kind are .xls, or spreadsheets with a password.
Merged = tuple[tuple[int, int], tuple[int, int]]  # (row, column), counted from 0, of the first and of the last cell


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that are not blank, their numbers, the number of the first column, and merged cells.

    Numbers count from 0. None stands for a blank cell.
    """

    name: str
    rows: list[list[Any]]
    numbers: list[int]
    left: int
    merged: Sequence[Merged]

    @property
    def has_table(self) -> bool:
        """Whether there are two rows and two columns at least."""
        return len(self.rows) > 1 and _filled(self.rows) > 1


def read_sheet(content: Content, name: str | None) -> tuple[pd.DataFrame, str]:
    """Return the table in the sheet `name`, and in words which sheet it is and where its header stands.

    If `name` is None, the only sheet with a table is read. Rows of a single cell above the header are a title. Blank
    rows, and columns without a name and a value, are left out. Where cells of a column are merged, their value stands
    in each row. Raises UserError if the file is damaged or needs too much memory, if the sheet is absent, has no table
    or is one of several, or if a name is missing, repeated or merged with others.
    """
    if not any(member.startswith("xl/worksheets/") for member in members(content)):
        raise UserError(f"{content.label}: is a spreadsheet of a kind that is not read; save it as .xlsx or CSV")
    require_readable(content)
    sheet = _without_title(_chosen(content, name))
    where = f"{content.label}: sheet {sheet.name!r}"
    if not sheet.rows:
        raise UserError(f"{where}: is empty; expected a header and rows below it")
    _require_plain_header(sheet, where)
    header, *rows = _repeated_where_merged(sheet)
    kept = [at for at, title in enumerate(header) if title is not None or any(row[at] is not None for row in rows)]
    require_number(where, len(kept))
    if unnamed := [at for at in kept if header[at] is None]:
        columns = ", ".join(f"column {_letters(sheet.left + at)}" for at in unnamed[:SHOWN])
        raise UserError(f"{where}, row {sheet.numbers[0] + 1}: {columns} has no name; name every column in the header")
    names = [cells.in_words(header[at]) for at in kept]
    require_names(where, names)
    frame = cells.frame(names, [[row[at] for row in rows] for at in kept], len(rows))
    return frame, f"sheet {sheet.name!r}, header in row {sheet.numbers[0] + 1:,}"


def _chosen(content: Content, name: str | None) -> Sheet:
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        with content.open() as file:
            book = CalamineWorkbook.from_filelike(file)
            known = [sheet for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
            if name is not None:
                if name not in [sheet.name for sheet in known]:
                    raise UserError(f"{content.label}: has no sheet {name!r}; its sheets: {_quoted(known)}")
                return _read(book, name)
            visible = [sheet.name for sheet in known if sheet.visible == SheetVisibleEnum.Visible]
            sheets = [_read(book, sheet) for sheet in visible]
    except CalamineError as error:
        raise unreadable(content.label, error) from None
    tables = [sheet for sheet in sheets if sheet.has_table] if len(sheets) > 1 else sheets
    if len(tables) != 1:
        problem = f"has tables in the sheets {_quoted(tables)}" if tables else "has no table"
        advice = "name one with --sheet (data.sheet)" if tables else "expected a header and rows below it in a sheet"
        raise UserError(f"{content.label}: {problem}; {advice}")
    return tables[0]


def _quoted(sheets: Iterable[Any]) -> str:
    return listed((repr(sheet.name) for sheet in sheets), 2 * SHOWN)


def _read(book: "CalamineWorkbook", name: str) -> Sheet:
    sheet = book.get_sheet_by_name(name)
    top, left = sheet.start or (0, 0)
    rows = [[None if _is_gap(value) else value for value in row] for row in sheet.to_python()]
    full = [at for at, row in enumerate(rows) if _filled([row])]
    return Sheet(name, [rows[at] for at in full], [top + at for at in full], left, sheet.merged_cell_ranges or ())


def _is_gap(value: Any) -> bool:
    return isinstance(value, str) and (not value.strip() or value in MISSING)


def _filled(rows: Sequence[Sequence[Any]]) -> int:
    """Return how many cells the fullest row has."""
    return max((sum(value is not None for value in row) for row in rows), default=0)


def _without_title(sheet: Sheet) -> Sheet:
    """Leave out rows of one cell above the header. With two columns, such a row may be a header that lacks a name."""
    first, width = 0, _filled(sheet.rows)
    while width > 1 and _filled([sheet.rows[first]]) == 1:
        if width == 2 and sheet.numbers[first + 1] == sheet.numbers[first] + 1:
            break
        first += 1
    return Sheet(sheet.name, sheet.rows[first:], sheet.numbers[first:], sheet.left, sheet.merged)


def _require_plain_header(sheet: Sheet, where: str) -> None:
    """Raise UserError if a name stands over several columns, or reaches into a second row with names."""
    header = sheet.numbers[0]
    for (top, left), (bottom, right) in sheet.merged:
        is_over_columns = right > left and top <= header <= bottom
        if is_over_columns or (top <= header < bottom and len(sheet.numbers) > 1 and sheet.numbers[1] <= bottom):
            place = f"{_letters(left)}{top + 1}:{_letters(right)}{bottom + 1}"
            raise UserError(f"{where}: {place} in the header is merged; give each column a name of its own in one row")


def _repeated_where_merged(sheet: Sheet) -> list[list[Any]]:
    """Return the rows with the value of cells that are merged in one column in each of them."""
    rows = [list(row) for row in sheet.rows]
    place = {number: at for at, number in enumerate(sheet.numbers)}
    for (top, left), (bottom, right) in sheet.merged:
        at = left - sheet.left
        if left == right and top in place and 0 <= at < len(rows[0]):
            for number in range(top + 1, bottom + 1):
                if number in place:
                    rows[place[number]][at] = rows[place[top]][at]
    return rows


def _letters(column: int) -> str:
    """Return the name of a column, counted from 0: A, B, ..., Z, AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
