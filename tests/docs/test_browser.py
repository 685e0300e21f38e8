"""The site in a real Chromium: quiet, accessible, and no wider than the screen, on a desk and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser import PHONE, WIDE, chromium, needs_chromium
from tests.docs.test_site import html_pages

SAYS = "[PST]: "  # begins what the theme writes to the console
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def faults(browser: Browser, path: Path, width: int, scheme: str) -> list[str]:
    """Return what is wrong with a page: complaints, requests to elsewhere, its width, and what axe-core finds."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page, seen = context.new_page(), []
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    found = [words for words in seen if not words.startswith(SAYS)]
    if (wide := page.evaluate("document.documentElement.scrollWidth")) != width:
        found.append(f"{wide} pixels wide")
    found += inaccessible(page)
    context.close()
    return found


def inaccessible(page: Page) -> list[str]:
    """Return what axe-core calls moderate or worse."""
    violations = Axe().run(page, options={"preload": False}).response["violations"]  # It would read styles again.
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in violations if each["impact"] != "minor"]


@pytest.mark.parametrize(("name", "width", "scheme"), [("index", WIDE, "light"), ("tutorial", PHONE, "dark")])
def test_a_page_is_quiet_and_accessible(browser: Browser, site: Path, name: str, width: int, scheme: str) -> None:
    assert faults(browser, site / f"{name}.html", width, scheme) == []


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_every_page_is_quiet_and_accessible(browser: Browser, whole_site: Path, width: int, scheme: str) -> None:
    found = {path.relative_to(whole_site): faults(browser, path, width, scheme) for path in html_pages(whole_site)}
    assert len(found) > 25
    assert {path: each for path, each in found.items() if each} == {}


def test_faults_are_found(browser: Browser, site: Path, tmp_path: Path) -> None:
    page = (site / "limits.html").read_text(encoding="utf-8").replace('<html lang="en"', "<html")
    picture = '<img src="x.png" style="min-width: 2000px">'
    (tmp_path / "bad.html").write_text(page.replace("<h1>", f"{picture}<h1>"), encoding="utf-8")
    found = " ".join(faults(browser, tmp_path / "bad.html", PHONE, "light"))
    for words in ("ERR_FILE_NOT_FOUND", "pixels wide", "html-has-lang", "image-alt"):
        assert words in found


def test_the_search_finds_a_command(browser: Browser, site: Path) -> None:
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q=calibrate")
    page.wait_for_selector("#search-results li")
    assert page.locator("#search-results a[href*='reference/command-line.html']").count() > 0
    page.close()
