"""A notebook, run by a kernel as Jupyter runs it: the answer is a fragment, and the progress is gone at the end."""

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.builders import quick

SETTINGS = dict(setting.split("=", 1) for setting in quick(hidden=2, epochs=40, k=3))


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
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    progress, shown, frame, margin = (cell["outputs"] for cell in notebook["cells"])
    assert [output["data"]["text/html"] for output in progress] == [""]
    (fragment,) = (output["data"]["text/html"] for output in shown)
    assert fragment.startswith('<div class="straightline">')
    assert "<script" not in fragment
    assert "size" in frame[0]["data"]["text/html"]
    assert margin[0]["data"]["text/plain"] == "0.5"
