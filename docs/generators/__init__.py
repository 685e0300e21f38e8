"""A Sphinx extension that puts what the code says into pages: commands, settings, examples, and files of the project.

A page asks for it with a comment such as `<!-- generated: commands -->`, which GitHub does not show. The comment is
replaced by Markdown before the page is read.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators import command_line, examples, links, settings

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent.parent
PLACE = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)


def _file(path: str) -> str:
    """Return a file of the project without its title, with links as they are on the site."""
    _, _, text = (ROOT / path).read_text(encoding="utf-8").partition("\n")
    return links.on_site(text, Path(path))


KINDS: dict[str, Callable[..., str]] = {
    "commands": command_line.markdown,
    "settings": lambda: settings.markdown(ROOT / "conf"),
    "examples": lambda: examples.markdown(ROOT / "examples"),
    "file": _file,
}


def filled(text: str) -> str:
    """Return a page with Markdown in the places that ask for it. Raises KeyError for a kind that there is not."""
    return PLACE.sub(lambda place: KINDS[place[1]](*filter(None, [place[2]])), text)


def _read(app: "Sphinx", name: str, source: list[str]) -> None:
    path = Path("docs") / app.env.doc2path(name, base=False)
    source[0] = filled(links.on_site(source[0], path))


def _outdated(app: "Sphinx", env: Any, added: set[str], changed: set[str], removed: set[str]) -> Sequence[str]:
    """Return the pages that ask for something: what they ask for may have changed."""
    pages = (name for name in env.found_docs if env.doc2path(name).suffix == ".md")
    return [name for name in pages if PLACE.search(Path(env.doc2path(name)).read_text(encoding="utf-8"))]


def setup(app: "Sphinx") -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", _read)
    app.connect("env-get-outdated", _outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
