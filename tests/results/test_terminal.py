"""The printed answer: known gauges, no number cut off at any width, and colours on a terminal only."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.comparison.verdict import Challenger, Finding, Ledger, Skill
from straightline.results import sentences, terminal
from straightline.results.files import load_results
from straightline.results.terminal import Gauge
from straightline.runtime.artifacts import read_json, write_json
from tests.builders import challenger, verdict
from tests.fake_project import write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    write_project(root)
    path = root / "data/schema.json"
    write_json(path, read_json(path) | {"checks": [{"code": "rows", "message": "rows 3 and 4 are the same"}]})
    return root


def printed(value: Any, width: int, is_terminal: bool = False) -> str:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=is_terminal, highlight=False).print(value)
    return file.getvalue()


def gain(mean: float, low: float | None, high: float | None) -> Challenger:
    return challenger(relative_gain=mean, relative_gain_interval=(low, high))


def test_a_gauge_by_hand() -> None:
    challengers = {"net": gain(0.1, 0.05, 0.2), "wide": gain(0.0, None, None)}
    net, wide, *told = printed(Gauge(verdict(margin=0.05, challengers=challengers)), 44).splitlines()
    # 31 cells from -0.1 to 0.2: one a percent.
    assert net.rstrip() == "       net  " + "·····░░░░░│░░░░━━━━━◆━━━━━━━━━━"
    assert wide.rstrip() == "      wide  " + "━━━━━━━━━━◆━━━━━━━━━━━━━━━━━━━━"
    assert told[0].startswith("loss saved  │ 0  ░ less than")


@given(
    st.lists(st.tuples(st.floats(-1e3, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
    st.floats(0.001, 0.5),
    st.integers(1, 200),
)
@settings(deadline=None)
def test_gauges_have_one_width_and_each_a_mean(found: list[tuple[float, ...]], margin: float, width: int) -> None:
    challengers = {str(n): gain(mean, mean - low, mean + high) for n, (mean, low, high) in enumerate(found)}
    lines = printed(Gauge(verdict(margin=margin, challengers=challengers)), width).splitlines()
    gauges = lines[: len(found)]
    assert bool(lines) == (width >= 33)
    assert all(line.count("◆") + line.count("◄") == 1 and len(line) <= width for line in gauges)
    assert not lines or ["◄" in line for line in gauges] == [mean < -0.5 for mean, _, _ in found]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_no_number_is_cut_at_any_width(project: Path, width: int) -> None:
    results = load_results(project)
    text = printed(terminal.printed(results), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for found in results.verdicts.values():
        for loss in found.losses.values():
            assert f" {loss:.5g} " in text
    for variant in results.variants.values():
        if variant.coefficients is not None:
            for estimate in variant.coefficients["estimate"]:
                assert f" {estimate:.5g} " in text
    assert ("not shown, because the terminal is too narrow" in " ".join(text.split())) == (width < 120)


def test_the_first_lines_are_the_warnings_and_the_answer(project: Path) -> None:
    results = load_results(project)
    lines = printed(terminal.printed(results), 200).splitlines()
    assert lines[0].strip() == "Warning: rows 3 and 4 are the same"
    assert lines[1].strip() == sentences.headline(results.verdicts["num_balloons"], "num_balloons")
    assert lines[2].strip() == results.verdicts["num_balloons"].advice
    assert lines[4].strip().startswith("neural  ")


def test_the_headline_of_a_network_that_failed_claims_no_change() -> None:
    failed = challenger(finding="undecided", relative_gain=-9.0, failed=True)
    shown = sentences.headline(verdict(answer="undecided", challengers={"neural": failed}), "y")
    assert shown == "Undecided whether a straight line is enough to predict y: neural failed to train."


def test_a_yes_says_what_was_tried() -> None:
    close = challenger(finding="baseline_enough", relative_gain=0.01, relative_gain_interval=(-0.02, 0.04))
    values: dict[str, Any] = {"answer": "yes", "challengers": {"neural": close}, "relative_gain": 0.01}
    values |= {"relative_gain_interval": (-0.02, 0.04), "repeats": 3}
    values |= {"fold_losses": {"regression": [1.0] * 30, "neural": [0.99] * 30}}
    ledger = {"regression": Ledger(1, 30, 0, 0), "neural": Ledger(1, 3600, 100, 1000, candidates=24)}
    assert sentences.headline(verdict(**values, ledger=ledger), "y") == (
        "Yes, a straight line is enough to predict y: none of 24 networks, chosen and averaged in each of 30 folds, is "
        "better by the margin; neural lowers the loss by 1.0 % (90 % interval -2.0 % to 4.0 %; margin 5 %)."
    )
    ledger["neural"] = Ledger(1, 30, 100, 1000)
    assert "none of" not in sentences.headline(verdict(**values, ledger=ledger), "y")


def test_a_loss_that_rises_has_an_interval_of_the_rise() -> None:
    assert sentences.gain_words(-0.6, (-0.79, -0.44), 0.95, 0.05) == (
        "raises the loss by 60.0 % (90 % interval 44.0 % to 79.0 %; margin 5 %)"
    )
    assert sentences.gain_words(-0.01, (None, 0.02), 0.95, 0.05, 3) == (
        "raises the loss by 1.0 % (96.7 % interval -2.0 % to unbounded, since 3 networks are compared; margin 5 %)"
    )
    assert "raises the loss by 2.6\N{NO-BREAK SPACE}×" in sentences.gain_words(-2.6e29, (-3e29, -2e29), 0.95, 0.05)


def test_neither_names_the_best_model_and_whether_it_is_certain() -> None:
    close = challenger(finding="undecided", relative_gain=0.0)
    skill = {"gain": 0.011, "gain_interval": (-0.02, 0.04), "probability": 0.0, "test": close.test}
    skills = {name: Skill(finding=Finding.baseline_enough, **skill) for name in ("regression", "neural")}
    shown = verdict(answer="neither", challengers={"neural": close}, skills=skills, family="bernoulli", rows=1200)
    assert sentences.headline(shown, "y") == (
        "Neither a straight line nor a network predicts y: compared with predicting the class shares, the best model, "
        "regression, lowers the loss by 1.1 % (90 % interval -2.0 % to 4.0 %; margin 5 %)."
    )
    skills["neural"] = Skill(finding=Finding.undecided, **skill)
    assert "a network is shown by these 1,200 rows to predict y: " in sentences.headline(shown, "y")


def test_of_many_terms_the_largest_effects_are_printed(project: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(project, root)
    path = root / "runs/color/regression/coefficients.csv"
    row = pd.read_csv(path).iloc[-1]
    statistics = np.arange(1.0, 101.0)
    table = pd.DataFrame([row.to_dict() | {"term": f"x{value:.0f}", "statistic": value} for value in statistics])
    table.to_csv(path, index=False)
    text = printed(terminal.printed(load_results(root)), 120)
    shown = [value for value in statistics if f"x{value:.0f} " in text]
    assert shown == list(statistics[-30:])
    assert "the 30 of 100 with the largest effects" in " ".join(text.split())
    assert "An estimate is the change in log odds of color = 1 if its term rises by 1" in " ".join(text.split())


def test_colours_are_for_terminals(project: Path) -> None:
    results = load_results(project)
    assert "\x1b[1;31mNo, a straight line" in printed(terminal.printed(results), 120, is_terminal=True)
    assert "\x1b" not in printed(terminal.printed(results), 120)


def test_json_is_for_scripts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    found = CliRunner().invoke(app, ["show", "--json"])
    values = json.loads(found.output)
    assert values["warnings"] == ["rows 3 and 4 are the same"]
    assert values["targets"]["color"]["verdict"] == read_json(project / "verdicts/color.json")
