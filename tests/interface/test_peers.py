"""docs/peers.md and the files that it is made of agree with each other, with the locks and with this interface."""

import inspect
import re
import subprocess
import sys

import pandas as pd
import pytest

import straightline as sl
from tests.conftest import ROOT

SCRIPTS = ROOT / "benchmarks/peers"
ROWS = pd.read_csv(ROOT / "docs/peers.csv", keep_default_na=False, dtype=str).set_index("peer")
PACKAGES = {"autogluon": "autogluon-tabular"}


def test_the_page_is_what_its_script_prints() -> None:
    command = [sys.executable, "docs/peers.py"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    assert printed == (ROOT / "docs/peers.md").read_text(encoding="utf-8")


def test_the_arguments_of_compare_are_those_of_the_page() -> None:
    table = pd.read_csv(ROOT / "docs/peers/arguments.csv", keep_default_na=False)
    recorded = table[table["peer"] == "straightline"].set_index("argument")["default"].to_dict()
    expected = {
        name: "" if parameter.default is inspect.Parameter.empty else repr(parameter.default)
        for name, parameter in inspect.signature(sl.compare).parameters.items()
    }
    assert recorded == expected


@pytest.mark.parametrize("peer", [peer for peer in ROWS.index if peer != "straightline"])
def test_the_peer_that_ran_is_the_one_of_its_lock(peer: str) -> None:
    lock = (SCRIPTS / f"{peer}.lock").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{PACKAGES.get(peer, peer)}==(\S+)", lock, re.MULTILINE)
    assert ROWS["version"][peer] == version


@pytest.mark.parametrize("peer", list(ROWS.index))
def test_the_lines_typed_are_those_of_the_quick_start(peer: str) -> None:
    typed = (SCRIPTS / f"with_{peer}.py").read_text(encoding="utf-8").split("\n")
    assert int(ROWS["lines"][peer]) == len([line for line in typed if line.strip()])


def test_the_table_of_the_quick_starts_is_the_example() -> None:
    printed = (ROOT / "docs/peers/statsmodels.txt").read_text(encoding="utf-8")
    table = pd.read_csv(ROOT / "examples/diabetes.csv")
    assert re.search(rf"No. Observations: +{len(table)} ", printed)
    line = sl.Regression().fit(table.drop(columns="progression"), table["progression"]).tidy()
    printed_rows = re.findall(
        r"^(\w+) +(-?[0-9.]+) +([0-9.]+) +-?[0-9.]+ +[0-9.]+ +-?[0-9.]+ +-?[0-9.]+$", printed, re.M
    )
    estimates = line.set_index("term")[["estimate", "std_error"]]
    assert len(printed_rows) == len(estimates) == 11
    for term, estimate, error in printed_rows:
        assert (float(estimate), float(error)) == pytest.approx(tuple(estimates.loc[term]), abs=6e-4)
