"""What docs/calibration.md says, held against its tables."""

import subprocess
import sys

import pandas as pd

from tests.conftest import ROOT

FOLDER = ROOT / "docs/calibration"


def test_the_page_is_what_its_script_prints() -> None:
    command = [sys.executable, "docs/calibration.py"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    assert printed == (ROOT / "docs/calibration.md").read_text(encoding="utf-8")


def test_every_family_is_calibrated() -> None:
    """Tables of each family, with a line, with noise alone and with a curve, at two sizes, in the same way."""
    table = pd.read_csv(FOLDER / "families/calibration.csv")
    assert table.groupby("family").size().to_dict() == {"gamma": 6, "multinomial": 6, "poisson": 6}
    assert (table.groupby(["family", "truth"])["rows"].agg(set) == {300, 1000}).all()
    assert table[["effort", "margin", "confidence", "columns", "simulations"]].drop_duplicates().shape == (1, 5)


def test_where_a_curve_is_not_found_nothing_is_sure() -> None:
    table = pd.read_csv(FOLDER / "families/calibration.csv")
    curved = table[table["gain"] > 0]
    assert (curved["challenger_better"] + curved["undecided"] == curved["simulations"]).all()


def test_networks_on_growing_samples_are_not_called_better_without_a_curve() -> None:
    table = pd.read_csv(FOLDER / "growing/calibration.csv")
    assert set(table["truth"]) == {"linear", "1.5 margins"}
    assert table.groupby("truth")["simulations"].sum().tolist() == [80, 80]
    assert (table["learned_rows"] <= table["rows"]).all()
