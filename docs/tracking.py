"""Make the pictures of docs/how-to/tracking.md: publish this project to a new store and photograph MLflow's pages in Chromium.

Run `make` first, then `python docs/tracking.py`; Chromium is Debian's package `chromium`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/tracking"
PORT = 5077
SETTLED = 6000  # Milliseconds until a page has drawn its charts.
URL = f"http://127.0.0.1:{PORT}"


def main() -> None:
    """Write docs/tracking/*.png."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        straightline = [sys.executable, "-m", "straightline"]
        subprocess.run([*straightline, "track"], cwd=ROOT, env=environment, check=True)
        with server([*straightline, "ui", "--port", str(PORT)], environment):
            runs = {run["info"]["run_name"]: run["info"]["run_id"] for run in searched()}
            with sync_playwright() as started:
                photographed(started.chromium.launch(executable_path=shutil.which("chromium")), runs)


def photographed(browser: Browser, runs: dict[str, str]) -> None:
    """Write a picture of each page."""
    compared = [run for name, run in runs.items() if name.startswith("color / ")]
    both = f"runs={quote(json.dumps(compared))}&experiments={quote(json.dumps(['1']))}"
    neural = f"/experiments/1/runs/{runs['color / neural']}"
    parent = next(run for name, run in runs.items() if " / " not in name)
    page = browser.new_page(viewport={"width": 1400, "height": 800})
    page.goto(f"{URL}/#/experiments/1/runs")
    page.wait_for_timeout(SETTLED)
    for name in ("Got it", "Close"):
        if (button := page.get_by_role("button", name=name)).count():
            button.first.click()
    for name, address, height, search in (
        ("runs", "/experiments/1/runs", 500, None),
        ("charts", "/experiments/1/runs?compareRunsMode=CHART", 1000, "loss"),
        ("compare", f"/compare-runs?{both}", 1500, None),
        ("losses", f"{neural}/model-metrics", 700, "^(val_)?loss$"),
        ("weights", f"{neural}/artifacts/weights.json", 700, None),
        ("verdict", f"/experiments/1/runs/{parent}", 1100, None),
        ("champion", "/models/balloons-color", 700, None),
    ):
        page.set_viewport_size({"width": 1400, "height": height})
        page.goto(f"{URL}/#{address}")
        page.wait_for_timeout(SETTLED)
        if name == "runs":  # Show the runs below the pipeline; the page remembers this.
            page.locator("[role=gridcell] button[data-component-id*=runnamecellrenderer]").first.click()
        if name == "compare":
            for switch in page.get_by_role("switch").all()[:2]:
                switch.click()  # Show only the params and metrics that differ.
            page.get_by_text("Comparing 2 Runs").scroll_into_view_if_needed()
        if search is not None:
            page.get_by_placeholder("Search metric charts").fill(search)
        page.wait_for_timeout(SETTLED)
        page.screenshot(path=FOLDER / f"{name}.png")


def searched() -> list[dict[str, Any]]:
    """Return the published runs."""
    request = urllib.request.Request(
        f"{URL}/api/2.0/mlflow/runs/search",
        json.dumps({"experiment_ids": ["1"]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return list(json.load(answer)["runs"])


@contextmanager
def server(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Run MLflow's UI until the block ends."""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None and not answers():
                time.sleep(0.5)
            yield
        finally:
            process.terminate()


def answers() -> bool:
    """Return whether the server answers."""
    try:
        with urllib.request.urlopen(f"{URL}/health", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


if __name__ == "__main__":
    main()
