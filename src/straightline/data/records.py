"""Read a table from JSON: one object a line, or a list of objects."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from straightline.data import cells
from straightline.data.contents import Content, most_bytes
from straightline.data.names import MOST_COLUMNS, line_of, require_names, require_number
from straightline.errors import UserError

SUFFIXES = (".json", ".jsonl", ".ndjson")
BEGINNING = re.compile(rb'\s*(\{\s*["}]|\[\s*\{)')
EXPANSION = 8  # A value of JSON needs some times its bytes as a value of Python.


def is_json(head: bytes) -> bool:
    """Return whether a file that begins with `head` holds objects of JSON."""
    return BEGINNING.match(head.removeprefix(b"\xef\xbb\xbf")) is not None


def read_records(content: Content) -> pd.DataFrame:
    """Return the objects of JSON in a text as rows; a key that an object lacks is a gap.

    Raises UserError, naming line or row, for text that is no JSON, for values that are no objects, for objects with
    lists or objects inside, and for names that no column can have.
    """
    _require_memory(content.label, content.size)
    columns: dict[str, list[Any]] = {}
    row = 0
    for where, value in _values(content):
        _require_flat(content.label, where, value)
        for name, cell in value:
            column = columns.setdefault(name, [])
            if len(column) > row:
                raise UserError(f"{content.label}: {where}: has the key {name!r} twice; expected each key once")
            column.extend([None] * (row - len(column)))
            column.append(None if isinstance(cell, float) and math.isnan(cell) else cell)
        row += 1
        if len(columns) > MOST_COLUMNS:
            require_number(content.label, len(columns))
    _require_memory(content.label, row * len(columns))
    for column in columns.values():
        column.extend([None] * (row - len(column)))
    if row:
        require_names(content.label, list(columns))
    return cells.frame(list(columns), list(columns.values()), row)


def _require_flat(label: str, where: str, value: Any) -> None:
    """Raise UserError unless `value` is an object, here a list of pairs, of single values."""
    if not isinstance(value, _Object):
        raise UserError(f'{label}: {where}: expected an object such as {{"size": 80}}, got {_kind(value)}')
    for name, cell in value:
        if isinstance(cell, list):
            raise UserError(
                f"{label}: {where}: {name!r} holds {_kind(cell)}, expected a number, a text, true, false or null; "
                "write what is inside as columns of their own"
            )


def _require_memory(label: str, values: int) -> None:
    """Raise UserError if `values` bytes of JSON, or values of a table, need too much memory."""
    if values * EXPANSION > most_bytes():
        raise UserError(f"{label}: is too large for the memory that is free; write it as Parquet or CSV")


class _Object(list):
    """The pairs of an object, so that a key that stands twice is seen."""


def _kind(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    return "a list" if isinstance(value, list) else f"the value {json.dumps(value)[:40]}"


def _values(content: Content) -> Iterator[tuple[str, Any]]:
    """Yield each object, and where it is, in words."""
    with content.text() as file:
        beginning = file.read(1)
        while beginning.isspace():
            beginning = file.read(1)
        if beginning == "[":
            values = _parsed(content.label, "", "[" + file.read())
            yield from ((f"row {number}", value) for number, value in enumerate(values, start=1))
            return
    with content.text() as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield f"line {number}", _parsed(content.label, f"line {number}: ", line)


def _parsed(label: str, where: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except RecursionError:
        problem = "is nested too deeply"
    except json.JSONDecodeError as error:
        line = "" if where else f"line {error.lineno}, "
        problem = f"is no JSON ({error.msg.lower()}, {line}column {error.colno})"
    except ValueError as error:  # a whole number of more than 4,300 digits
        problem = f"is no JSON ({line_of(error)})"
    raise UserError(f"{label}: {where}{problem}; expected one object a line, or a list of objects") from None
