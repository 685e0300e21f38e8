"""Links between files of the project, as they are on the site."""

import posixpath
import re
from pathlib import Path

# Pages of the site that show a file from outside docs/.
SHOWN = {"examples/README.md": "docs/examples.md", "CONTRIBUTING.md": "docs/contributing.md"}
SHOWN |= {"CHANGELOG.md": "docs/changelog.md", "README.md": "docs/index.md"}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#|<)([^)#\s]+)(#[^)]*)?\)")


def on_site(text: str, path: Path) -> str:
    """Return the Markdown of the file `path` (from the project's folder) with links that lead to pages of the site.

    Pictures and other files outside docs/ get a path from docs/, which Sphinx copies from there.
    """
    return LINK.sub(lambda link: _moved(link, path), text)


def _moved(link: re.Match[str], path: Path) -> str:
    is_picture, words, place, anchor = link.groups(default="")
    target = posixpath.normpath(posixpath.join(path.parent.as_posix(), place))
    page = SHOWN.get(target, target)
    if not is_picture and page == SHOWN.get(path.as_posix(), path.as_posix()) and not anchor:
        return words  # A page does not lead to itself.
    folder = posixpath.dirname(SHOWN.get(path.as_posix(), path.as_posix()))
    return f"{is_picture}[{words}]({posixpath.relpath(page, folder)}{anchor})"
