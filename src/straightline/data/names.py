"""What is the same for tables of every kind: rules for names of columns, marks of a gap, and errors in one line."""

import re
from collections import Counter
from collections.abc import Sequence

from straightline.errors import UserError

MOST_COLUMNS = 100_000
LONGEST_NAME = 1000  # characters of a column's name
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "#N/A")  # marks of a gap in any column
SHOWN = 3  # The largest number of similar mistakes that an error names.


def require_names(label: str, names: Sequence[str]) -> None:
    """Raise UserError if a name is missing, repeated, too long, no text, or if all names are numbers.

    `label` names the file.
    """
    require_number(label, len(names))
    blank = [f"column {number}" for number, name in enumerate(names, start=1) if not str(name).strip()]
    if blank:
        raise UserError(f"{label}: {', '.join(blank[:SHOWN])} has no name; name every column in the header")
    nul = [f"column {number}" for number, name in enumerate(names, start=1) if "\0" in str(name)]
    if nul:
        raise UserError(f"{label}: the name of {', '.join(nul[:SHOWN])} has a NUL character, expected text; rename it")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise UserError(f"{label}: column names must differ, got {', '.join(repeated[:SHOWN])} more than once")
    long = [f"column {number}" for number, name in enumerate(names, start=1) if len(str(name)) > LONGEST_NAME]
    if long:
        raise UserError(
            f"{label}: the name of {', '.join(long[:SHOWN])} has more than {LONGEST_NAME:,} characters; is the first "
            "line a header, and its delimiter right?"
        )
    if all(re.fullmatch(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?", str(name).strip()) for name in names):
        raise UserError(f"{label}: the first line is numbers, expected the columns' names; add a header line")


def require_number(label: str, columns: int) -> None:
    """Raise UserError if a table has no column, or more than MOST_COLUMNS."""
    if columns == 0:
        raise UserError(f"{label}: has no column; expected a target and columns to predict it from")
    if columns > MOST_COLUMNS:
        raise UserError(f"{label}: has {columns:,} columns, expected at most {MOST_COLUMNS:,}; is it transposed?")


def line_of(error: Exception) -> str:
    """Return the message of an error in one line."""
    return " ".join(str(error).split())
