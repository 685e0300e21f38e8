"""The report in a real Chromium: no error, no request, nothing that axe-core finds, and hostile names as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from typer.testing import CliRunner

from straightline import formatting
from straightline.__main__ import app
from straightline.runtime.artifacts import read_json
from tests.browser import PHONE, WIDE, chromium, needs_chromium
from tests.builders import quick

HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
QUICK = quick()
pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output for a table of 24 columns with names and levels that are long, in other scripts, and HTML."""
    root = tmp_path_factory.mktemp("hostile")
    random = np.random.default_rng(0)
    names = ["größe", "年齢", "عمر", "a|b`c*d_e[f]", "$x_1$", f"{HOSTILE} name", "long " * 40, "w" * 180]
    table = pd.DataFrame(random.normal(size=(160, 24)), columns=[*names, *(f"column {n}" for n in range(16))])
    table["column 15"] = random.choice([HOSTILE, "$", "ü" * 90, "x"], 160)
    table["& price <b>"] = table["größe"] ** 2 + random.normal(size=160)
    table[f"kind {HOSTILE}"] = np.where(table["年齢"] > 0, HOSTILE, "</table>")
    table.to_csv(root / "table.csv", index=False)
    targets = ("--target", "& price <b>", "--target", f"kind {HOSTILE}")
    found = CliRunner().invoke(app, ["run", str(root / "table.csv"), *targets, "--out", str(root / "out"), *QUICK])
    assert found.exit_code == 0, found.output
    return root / "out"


def opened(browser: Browser, root: Path, width: int, scheme: str = "light") -> tuple[Page, list[str]]:
    """Return the report in a browser without network, and what it complains of or asks for, as that is found."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]
    page, seen = context.new_page(), []
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("request", lambda request: seen.append(request.url))
    page.goto((root / "reports/index.html").as_uri())
    page.wait_for_load_state("networkidle")
    return page, seen


def faults(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{own['id']}: {own['nodes'][0]['html'][:200]}" for own in found if own["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("reported", WIDE, "light"),
        ("many_classes", PHONE, "dark"),
        *(
            pytest.param(*values, marks=pytest.mark.slow)
            for values in [
                ("reported", WIDE, "dark"),
                ("reported", PHONE, "light"),
                ("many_classes", WIDE, "light"),
                ("hostile", WIDE, "light"),
                ("hostile", WIDE, "dark"),
                ("reported", PHONE, "dark"),
                ("hostile", PHONE, "light"),
                ("hostile", PHONE, "dark"),
            ]
        ),
    ],
)
def test_it_is_quiet_and_accessible(
    browser: Browser, request: pytest.FixtureRequest, name: str, width: int, scheme: str
) -> None:
    root = request.getfixturevalue(name)
    page, seen = opened(browser, root, width, scheme)
    assert seen == [(root / "reports/index.html").as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for details in page.locator("summary").all():
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert faults(page) == []
    page.context.close()


def test_faults_are_found(browser: Browser, reported: Path) -> None:
    page, _ = opened(browser, reported, WIDE)
    page.evaluate("document.querySelector('[role=img]').removeAttribute('aria-label')")
    page.add_style_tag(content=".caption { color: #ddd !important }")
    assert {fault.partition(":")[0] for fault in faults(page)} == {"role-img-alt", "color-contrast"}
    page.context.close()


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_every_section_is_there_with_the_numbers_of_the_files(browser: Browser, reported: Path, target: str) -> None:
    page, _ = opened(browser, reported, WIDE)
    verdict = read_json(reported / f"verdicts/{target}.json")
    section = page.locator(f"section#{target}")
    headings = section.locator("h3").all_inner_texts()
    assert headings == [
        "The models side by side",
        "Scores on held-out rows",
        "The weights of regression",
        "Loss by epoch, and by the number of rows",
        "Predictions on held-out rows",
        "Where neural wins",
    ]
    assert all(picture.bounding_box()["width"] > 250 for picture in section.locator("[role=img]").all())  # type: ignore[index]
    rows = page.locator(f"table[aria-labelledby={target}-models] tbody tr").all()
    for row, model in zip(rows, verdict["losses"], strict=False):
        metrics = read_json(reported / f"metrics/{target}-{model}.json")
        cells = [model, formatting.number(verdict["losses"][model]), formatting.number(metrics["loss"])]
        texts = row.locator("th, td").all_inner_texts()
        assert [texts[0], texts[1], texts[3]] == cells
    coefficients = pd.read_csv(reported / f"runs/{target}/regression/coefficients.csv")
    rows = page.locator(f"table[aria-labelledby={target}-regression] tbody tr").all()
    for row, known in zip(rows, coefficients.itertuples(), strict=True):
        assert row.locator("th, td").all_inner_texts()[:2] == [known.term, formatting.number(known.estimate)]
    effects = pd.read_csv(reported / f"effects/{target}-neural.csv")
    section.locator("summary").click()
    rows = section.locator("details tbody tr").all()
    for row, known in zip(rows, effects.itertuples(), strict=True):
        texts = row.locator("th, td").all_inner_texts()
        assert [texts[0], texts[4], texts[5]] == [
            known.column,
            formatting.number(known.loss),
            formatting.number(known.gain),
        ]
    for name in ("data/train.parquet", "Python", "tensorflow"):
        assert page.locator("#made").get_by_text(name, exact=True).count() == 1
    page.context.close()


def test_names_are_shown_and_never_run(browser: Browser, hostile: Path) -> None:
    page, _ = opened(browser, hostile, PHONE)
    assert page.title() == "Is a straight line enough?"
    assert page.locator("script, img, iframe, object, embed").count() == 0
    assert page.get_by_role("heading", name="& price <b>").count() == 1
    text = page.locator("body").inner_text()
    for name in ("größe", "年齢", "عمر", "$x_1$", "w" * 180):
        assert name in text
    assert f"{HOSTILE} name" in text
    page.context.close()


def test_a_script_would_not_run(browser: Browser, reported: Path, tmp_path: Path) -> None:
    text = (reported / "reports/index.html").read_text(encoding="utf-8")
    (tmp_path / "reports").mkdir()
    taken = text.replace("</header>", f"{HOSTILE}</header>")
    assert taken != text
    (tmp_path / "reports/index.html").write_text(taken, encoding="utf-8")
    page, seen = opened(browser, tmp_path, WIDE)
    assert page.title() == "Is a straight line enough?"
    blocked = [word for word in seen if "Content Security Policy" in word]
    assert any("inline script" in word for word in blocked)
    assert any("image" in word for word in blocked)
    page.context.close()


def test_it_prints_dark_on_white_whatever_the_screen_is(browser: Browser, reported: Path) -> None:
    page, _ = opened(browser, reported, WIDE, "dark")
    page.emulate_media(media="print")
    style = "getComputedStyle(document.{}).{}"
    assert page.evaluate(style.format("body", "backgroundColor")) == "rgb(255, 255, 255)"
    ink = page.evaluate(style.format("querySelector('svg text')", "fill"))
    assert ink == "rgb(29, 35, 48)"
    assert len(page.pdf()) > 10_000
    page.context.close()


def test_it_can_be_read_by_keyboard(browser: Browser, reported: Path) -> None:
    page, _ = opened(browser, reported, WIDE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answers"
    page.keyboard.press("Enter")
    page.wait_for_url("**/index.html#answers")
    page.locator("section#color summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("section#color details tbody").is_visible()
    page.context.close()
