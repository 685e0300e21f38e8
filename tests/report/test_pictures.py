"""The report's pictures: equal bytes, one color a model, and names that stay names."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from straightline.report.content import content
from straightline.report.pictures import canvas, comparison
from straightline.report.render import pictures
from straightline.results.files import load_results
from straightline.runtime.artifacts import write_csv
from straightline.stages import report
from tests.report.page import HOSTILE, Page, change, source


@pytest.fixture
def project(reported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "project"))


def test_two_renderings_are_the_same_bytes(project: Path) -> None:
    def contents() -> dict[str, bytes]:
        report.run(project)
        return {path.name: path.read_bytes() for path in sorted((project / "reports").iterdir())}

    first = contents()
    kinds = {
        "color": ["differences", "losses", "learning", "coefficients", "predictions", "gains", "dependence"],
        "num_balloons": ["differences", "losses", "learning", "coefficients", "predictions", "gains", "dependence"],
    }
    drawn = {name.rpartition(".")[0] for name in first if name.endswith(".svg")}
    for target, own in kinds.items():
        assert {name.partition("-")[0] for name in drawn if f"-{target}" in name} == {*own}
    assert {"index.html", "report.md", "losses.csv", "losses.png"} <= set(first)
    assert {"predictions-color.png", "predictions-num_balloons.png"} <= set(first)
    assert contents() == first
    assert not [
        name for name, found in first.items() if b"Software" in found or b"tEXt" in found or b"dc:date" in found
    ]
    assert len(first["index.html"]) < 2e6


def test_pictures_do_not_follow_the_users_matplotlibrc(project: Path) -> None:
    import matplotlib as mpl

    results = load_results(project)
    first = pictures(content(results, ""))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert pictures(content(results, "")) == first
        assert mpl.rcParams["font.size"] == 30


def test_names_that_look_like_parts_of_a_picture_stay_names() -> None:
    name = 'id="#1d2330'
    element = canvas.inline(canvas.svg(lambda axes: axes.set(xlabel=name) and None), "own")
    assert f">{name}</text>" in element
    assert "#1d2330" not in element.replace(name, "")
    assert len(re.findall(r'\bid="', element)) == element.count('id="own-') + 1


def test_a_model_has_one_color_in_all_pictures(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["models"] = dict(reversed(values["models"].items()))  # the straight line comes second
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    report.run(project)
    first, second = "var(--series-1)", "var(--series-2)"
    for name in ("differences-color", "gains-color-1"):
        drawn = (project / f"reports/{name}.svg").read_text()
        assert first in drawn
        assert second not in drawn


def test_names_are_escaped_everywhere(project: Path) -> None:
    def rename(schema: dict[str, Any]) -> None:
        schema["encoding"][1]["name"] = HOSTILE
        for target in schema["targets"].values():
            target["column"] = HOSTILE
        schema["targets"]["color"]["classes"] = [HOSTILE, HOSTILE]

    change(project / "data/schema.json", rename)
    for target in ("num_balloons", "color"):
        path = project / f"runs/{target}/regression/coefficients.csv"
        table = pd.read_csv(path)
        write_csv(path, table.assign(term=[HOSTILE, *table["term"][1:]]))
        change(project / f"verdicts/{target}.json", lambda verdict: verdict.update(advice=HOSTILE))
        change(project / f"runs/{target}/regression/certificate.json", lambda own: own.update(messages=[HOSTILE]))
        for name in (f"{target}-neural", f"{target}-regression"):
            for path in (project / f"effects/{name}.csv", project / f"effects/dependence/{name}.csv"):
                table = pd.read_csv(path)
                write_csv(path, table.assign(column=table["column"].replace("children", HOSTILE)))
    params = project / "params.yaml"
    params.write_text(
        params.read_text().replace("src/straightline/data/balloons.py", f"'{HOSTILE.replace(chr(39), '')}'")
    )
    text = source(project)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    shown = Page(text)
    assert shown.tables["color-regression"][1][0] == HOSTILE
    assert any(HOSTILE in str(own.get("aria-label")) for _, own in shown.tags)
    assert not [tag for tag, own in shown.tags if any(key.startswith("on") or "alert" in key for key in own)]


def test_losses_of_zero_and_a_single_epoch_are_drawn(project: Path) -> None:
    for model in ("regression", "neural"):
        history = pd.DataFrame({"epoch": [1], "loss": [0.0], "val_loss": [0.0 if model == "neural" else math.nan]})
        write_csv(project / f"runs/color/{model}/history.csv", history)
    report.run(project)


def test_a_mean_that_is_cut_off_is_an_arrow_with_its_number() -> None:
    def drawn(gain: float) -> str:
        return canvas.svg(
            comparison.differences([comparison.Gains("net", 1, np.full(10, gain), gain, -2.0, 0.1)], 0.05)
        )

    assert "-121.0 %" in drawn(-1.21)
    assert "-99.0 %" not in drawn(-0.99)
