"""Write the picture in README.md: the first screen of this folder's report, in headless Chromium.

Run `make` first, then `python docs/report.py`; Chromium is Debian's package `chromium`.
"""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/report"
SCREEN = {"width": 1000, "height": 640}


def main() -> None:
    """Write docs/report/first-screen.png."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SCREEN, color_scheme="light")  # type: ignore[arg-type]
        page.goto((ROOT / "reports/index.html").as_uri())
        page.screenshot(path=FOLDER / "first-screen.png")


if __name__ == "__main__":
    main()
