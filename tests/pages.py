"""The pages of the project: which there are, and their blocks of code, links and headings."""

import subprocess
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from myst_parser.slugs import github_slugify

from tests.conftest import ROOT


@dataclass(frozen=True)
class Block:
    """A fenced block: the page, the line of its fence from 1, the word after the fence, and the text."""

    page: str
    line: int
    kind: str
    text: str


@cache
def tracked() -> frozenset[str]:
    """Return the paths of all files that git tracks or would track."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return frozenset(subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines())


def pages() -> list[str]:
    """Return the paths of all pages that people read: README and the like, examples, and docs/."""
    return sorted(path for path in tracked() if _is_page(path))


def _is_page(path: str) -> bool:
    return path.endswith(".md") and ("/" not in path or path.startswith(("docs/", "examples/")))


@cache
def text(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


@cache
def _tokens(page: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text(page))


def blocks(page: str, *kinds: str) -> list[Block]:
    """Return the fenced blocks of a page in their order: all, or those of these kinds."""
    fences = [token for token in _tokens(page) if token.type == "fence"]
    found = [Block(page, token.map[0] + 1, token.info.strip(), token.content) for token in fences if token.map]
    return [block for block in found if not kinds or block.kind in kinds]


def links(page: str) -> list[str]:
    """Return the targets of all links and pictures of a page."""
    inner = [child for token in _tokens(page) for child in token.children or []]
    return [str(child.attrs[key]) for child in inner for key in ("href", "src") if key in child.attrs]


def anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    tokens = _tokens(page)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {github_slugify(title) for title in titles}
