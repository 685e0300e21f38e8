"""The site: it is built without warnings, loads nothing from elsewhere, and says all that the code has."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

import straightline as sl
from straightline.__main__ import app
from tests.conftest import ROOT
from tests.docs.conftest import build
from tests.pages import pages

# Attributes that make a browser load something. A link that is only followed by a click is none.
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Reader(HTMLParser):
    """What a page loads, where its links lead, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif LOADING.get(tag) in values:
            self.loads.append(values[LOADING[tag]])


@pytest.fixture(scope="module")
def read(site: Path) -> dict[Path, Reader]:
    """The pages of the site by their paths."""
    return {path: Reader(path) for path in html_pages(site)}


def html_pages(site: Path) -> list[Path]:
    """Return the pages of a site, without those that the theme keeps among its files."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def text(site: Path, page: str) -> str:
    """Return the text of a page, with a blank for each run of blanks."""
    written = re.sub(r"<[^>]+>", "", (site / page).read_text(encoding="utf-8"))
    return " ".join(html.unescape(written).split())


def test_every_page_of_docs_is_a_page_of_the_site(read: dict[Path, Reader], site: Path) -> None:
    written = {path.relative_to(site).with_suffix("").as_posix() for path in read}
    assert {page.removeprefix("docs/").removesuffix(".md") for page in pages() if page.startswith("docs/")} <= written


def test_a_warning_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Home\n\n[nowhere](missing.md)\n")
    with pytest.raises(AssertionError, match=r"missing\.md"):
        build(tmp_path / "out", "-c", "docs", source=tmp_path)


def test_nothing_is_loaded_from_elsewhere(read: dict[Path, Reader], site: Path) -> None:
    for path, page in read.items():
        assert page.loads
        assert [place for place in page.loads if re.match(r"(\w+:)?//", place)] == [], path
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert not any(re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", style) for style in styles)


def test_every_link_leads_to_a_place_of_the_site(read: dict[Path, Reader]) -> None:
    for path, page in read.items():
        for link in (link for link in page.links if not re.match(r"\w+:", link)):
            place, _, anchor = link.partition("#")
            target = (path.parent / place).resolve() if place else path
            assert target.exists(), (path, link)
            assert not anchor or target not in read or anchor in read[target].anchors, (path, link)


def test_the_reference_has_every_command_argument_and_option(site: Path) -> None:
    shown, group = text(site, "reference/command-line.html"), typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    assert len(commands) > 10
    for name, command in commands.items():
        assert f"straightline {name}" in shown
        for param in command.params:
            names = [*param.opts, *param.secondary_opts] if param.param_type_name == "option" else [param.name]
            assert all(each in shown for each in names), (name, param.name)
            assert " ".join((param.help or "").replace("`", "").split()) in shown, (name, param.name)


def test_the_reference_has_every_setting(site: Path) -> None:
    shown = text(site, "reference/settings.html")
    for path in (ROOT / "conf").rglob("*.yaml"):
        assert path.relative_to(ROOT).as_posix() in shown
        assert " ".join(path.read_text(encoding="utf-8").split()) in shown


def test_the_reference_has_every_public_name_and_what_it_offers(read: dict[Path, Reader], site: Path) -> None:
    anchors = read[site / "reference/python.html"].anchors
    for name in sl.__all__:
        assert f"straightline.{name}" in anchors
    for owner in (sl.Comparison, sl.Verdict):
        names = [name for name, value in vars(owner).items() if not name.startswith("_") and value.__doc__]
        assert {f"straightline.{owner.__name__}.{name}" for name in names} - {"straightline.Comparison.of_folder"} <= (
            anchors | {f"straightline.Verdict.{name}" for name in sl.Verdict.__dataclass_fields__}
        )


def test_the_gallery_has_a_card_with_picture_and_answer_for_every_example(site: Path) -> None:
    page = (site / "examples.html").read_text(encoding="utf-8")
    cards = re.findall(r'<div class="sd-card .*?class="sd-stretched-link[^>]*>', page, re.DOTALL)
    pictures = sorted(path.name for path in (ROOT / "examples").glob("*.png"))
    assert sorted(re.search(r'src="_images/([^"]+)"', card)[1] for card in cards) == pictures  # type: ignore[index]
    for card in cards:
        assert re.search(r'<img alt="[^"]{20,}"', card)
        assert re.search(r'<p class="sd-card-text">(Yes|No|Undecided)\b', card)
