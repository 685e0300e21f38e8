"""A notebook, run by a kernel as Jupyter runs it: the answer is a fragment, and the progress is gone at the end."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.builders import quick
from tests.conftest import ROOT

NEWCOMER = ROOT / "benchmarks/peers/ten_lines.py"
SETTINGS = dict(setting.split("=", 1) for setting in quick(hidden=2, epochs=40, k=3))


def outputs(cells: list[str], folder: Path) -> list[list[Any]]:
    """Run the cells in a folder and return the outputs of each."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell["outputs"] for cell in notebook["cells"]]


@pytest.mark.slow
def test_ten_lines_give_the_answer(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    houses = pd.DataFrame({"size": random.uniform(40, 200, 80)})
    houses.assign(price=2 * houses["size"] + random.normal(0, 20, 80)).to_csv(tmp_path / "houses.csv", index=False)
    cells = [
        f"import pandas as pd, straightline as sl\nanswer = sl.compare(pd.read_csv('houses.csv'), target='price', "
        f"settings={SETTINGS})",
        "answer",
        "answer.regression.frame()",
        "answer.judge(margin=0.5).gain.margin",
    ]
    progress, shown, frame, margin = outputs(cells, tmp_path)
    assert [output["data"]["text/html"] for output in progress] == [""]
    (fragment,) = (output["data"]["text/html"] for output in shown)
    assert fragment.startswith('<div class="straightline">')
    assert "<script" not in fragment
    assert "size" in frame[0]["data"]["text/html"]
    assert margin[0]["data"]["text/plain"] == "0.5"


@pytest.mark.slow
def test_the_ten_lines_of_a_newcomer_answer_for_the_diabetes_table(tmp_path: Path) -> None:
    """They are those of docs/peers.md, with their defaults; each cell has one output."""
    shutil.copy(ROOT / "examples/diabetes.csv", tmp_path)
    lines = NEWCOMER.read_text(encoding="utf-8")
    assert len([line for line in lines.splitlines() if line.strip() not in ("", "# %%")]) == 10
    shown = [data for (output,) in outputs(lines.split("# %%\n"), tmp_path) for data in [output["data"]]]
    _, answer, coefficients, predictions, other = shown
    assert answer["text/plain"].startswith("Yes, a straight line is enough to predict progression")
    assert "std_error" in coefficients["text/html"]
    assert predictions["text/plain"].count(",") == 4
    assert "margin 2 %" in other["text/plain"].replace("\n", " ")
