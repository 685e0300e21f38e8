"""The whole answer on a table of more than 250,000 rows: what is printed, saved and predicted."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from straightline.data.chance import LARGE_ROWS
from straightline.results.files import load_results

ROWS = LARGE_ROWS + 10_000


@pytest.mark.slow
def test_a_curve_is_found_in_a_sample_and_new_rows_are_predicted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, z = random.normal(size=(2, ROWS)).round(3)
    colors = random.choice(["red", "green"], ROWS)
    y = (x + x**2 + (colors == "red") + 0.5 * random.normal(size=ROWS)).round(3)
    pd.DataFrame({"x": x, "z": z, "color": colors, "y": y}).to_csv(tmp_path / "table.csv", index=False)

    def straightline(*words: str) -> str:
        command = [sys.executable, "-m", "straightline", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    printed = straightline("run", "table.csv", "--target", "y", "--effort", "single", "--out", "answer")
    results = load_results(tmp_path / "answer")
    verdict, rows = results.verdicts["y"], results.schema.rows
    assert rows.train + rows.test == ROWS
    assert verdict.answer == "no"
    assert f"of {rows.train:,} rows; it is better than the line by far" in printed
    design = np.column_stack([np.ones(ROWS), x, z, colors == "red"])
    line = np.mean((y - design @ np.linalg.lstsq(design, y)[0]) ** 2)
    assert verdict.losses["regression"] == pytest.approx(line, rel=0.02)
    assert verdict.losses["neural"] == pytest.approx(0.25, rel=0.1)
    (tmp_path / "new.csv").write_text("x,z,color\n2,0,red\n-2,0,green\n")
    straightline("predict", "answer", "new.csv", "--out", "predicted.csv")
    predicted = pd.read_csv(tmp_path / "predicted.csv")["y"]
    np.testing.assert_allclose(predicted, [7, 2], atol=0.3)
