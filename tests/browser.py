"""Debian's Chromium for tests of pages, and the widths of a desk's and of a phone's screen."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
WIDE, PHONE = 1280, 390
needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="no /usr/bin/chromium; .ci/run installs Debian's package"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a running Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
