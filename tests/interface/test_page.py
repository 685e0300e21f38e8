"""docs/how-to/python.md: its blocks run in their order, and it names the parts that there are."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import straightline as sl
from tests.pages import blocks

QUICK = 'effort="single", settings={"folds.k": 3, "fit.epochs": 30, "reference": "none"}'


def test_all_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    houses = pd.DataFrame({"size": random.uniform(40, 200, 90), "rooms": random.integers(1, 7, 90)})
    houses["age"] = random.integers(0, 90, 90)
    houses["price"] = 2 * houses["size"] + 10 * houses["rooms"] - houses["age"] + random.normal(0, 20, 90)
    monkeypatch.chdir(tmp_path)
    houses.to_csv("houses.csv", index=False)
    names: dict[str, object] = {}
    for block in blocks("docs/how-to/python.md", "python"):
        exec(re.sub(r'effort="\w+"', QUICK, block.text), names)
    assert isinstance(names["answer"], sl.Comparison)
    assert (tmp_path / "answer.html").is_file()
    assert sl.load(tmp_path / "answer").headline == names["answer"].headline
    assert isinstance(names["found"], sl.Verdict)
