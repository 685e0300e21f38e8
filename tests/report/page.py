"""The report's page as tests read it."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from straightline.runtime.artifacts import read_json, write_json
from straightline.stages import report

HOSTILE = "<script>alert('a & \"b\"')</script>"


class Page(HTMLParser):
    """What a page holds: `tables` by id of their heading, as rows of cells, and `tags`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open, self.in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag == "table":
            self.open = str(values["aria-labelledby"])
            self.tables[self.open] = []
        elif tag == "tr":
            self.tables[self.open].append([])
        elif tag in ("td", "th"):
            self.tables[self.open][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.open = "" if tag == "table" else self.open
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.tables[self.open][-1][-1] += data

    def column(self, table: str, name: str) -> list[str]:
        """Return the cells of a column, without its header."""
        header, *rows = self.tables[table]
        return [row[header.index(name)] for row in rows]


def source(root: Path) -> str:
    """Return the page that the report's stage writes."""
    report.run(root)
    return (root / "reports/index.html").read_text(encoding="utf-8")


def change(path: Path, edit: Callable[[Any], None]) -> None:
    values = read_json(path)
    edit(values)
    write_json(path, values)
