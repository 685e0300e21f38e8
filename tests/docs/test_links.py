"""Pages of the project: each link leads to a file or to a heading."""

import posixpath

import pytest

from tests.pages import anchors, links, pages, tracked


def places(page: str) -> list[tuple[str, str]]:
    """Return the file, from the project's folder, and the anchor of each link of a page that stays in the project."""
    inner = [link.partition("#") for link in links(page) if not link.startswith(("http://", "https://"))]
    folder = posixpath.dirname(page)
    return [(posixpath.normpath(posixpath.join(folder, path)) if path else page, anchor) for path, _, anchor in inner]


@pytest.mark.parametrize("page", pages())
def test_every_link_leads_somewhere(page: str) -> None:
    folders = {posixpath.dirname(path) for path in tracked()}
    assert [path for path, _ in places(page) if path not in tracked() | folders] == []
    assert [(path, anchor) for path, anchor in places(page) if anchor and anchor not in anchors(path)] == []


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    assert {"how-fast", "the-certificate"} < anchors("docs/decision.md")
    assert "straightline" not in anchors("docs/decision.md")
    assert sum(len(places(page)) for page in pages()) > 50
