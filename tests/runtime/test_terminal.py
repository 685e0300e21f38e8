"""Names with control characters: they are shown as text, and never do anything to a terminal."""

import io
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from straightline.runtime.console import SafeConsole
from straightline.runtime.terminal import escaped, say

SOURCES = sorted(Path(escaped.__code__.co_filename).parents[1].rglob("*.py"))
HOSTILE = "red\x1b[31m, title\x1b]0;owned\x07, \x9b2J, back\b\b, return\r, \u202eright to left"


@given(st.text(st.characters(codec="utf-8")))
def test_no_control_character_is_left(text: str) -> None:
    shown = escaped(text)
    assert not [one for one in shown if unicodedata.category(one) == "Cc" and one not in "\t\n"]
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    printable = "".join(one for one in text if one.isprintable())
    assert escaped(printable) == printable


@pytest.mark.parametrize("is_error", [False, True])
def test_lines_are_escaped(capfd: pytest.CaptureFixture[str], is_error: bool) -> None:
    say(HOSTILE, is_error=is_error)
    found = capfd.readouterr()
    assert (found.err if is_error else found.out) == f"{escaped(HOSTILE)}\n"
    assert "\\x1b[31m" in escaped(HOSTILE)


def test_a_console_has_only_its_own_sequences() -> None:
    table = Table(HOSTILE)
    table.add_row(Text(HOSTILE, "bold"))
    output = io.StringIO()
    console = SafeConsole(file=output, force_terminal=True, width=200)
    console.print(table, Text(HOSTILE), highlight=False, markup=False)
    without_styles = re.sub(r"\x1b\[[0-9;]*m", "", output.getvalue())
    assert not [one for one in without_styles if unicodedata.category(one) == "Cc" and one != "\n"]
    assert "\x1b[31m" not in output.getvalue()
    assert "\x1b[1" in output.getvalue()  # bold is the console's


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_all_that_people_read_goes_through_them(path: Path) -> None:
    """`show` and `diff` print JSON, which escapes control characters itself."""
    if path.name in ("terminal.py", "console.py") and path.parent.name == "runtime":
        return
    for line in path.read_text().splitlines():
        assert not re.search(r"(?<![\w.])print\((?!json\.dumps)", line), line
        assert not re.search(r"(?<![\w.])Console\(", line), line
