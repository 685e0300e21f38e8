"""The report against the files it is made of: equal numbers, and every part with its reason."""

import math
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from straightline import formatting
from straightline.comparison.verdict import Finding
from straightline.families import FAMILIES
from straightline.formatting import percent
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json, write_csv
from straightline.stages import compare
from tests.builders import user_table
from tests.conftest import ROOT
from tests.fake_project import write_project
from tests.report.page import Page, change, source


@pytest.fixture
def project(reported: Path, tmp_path: Path, without_pictures: None) -> Path:
    """A fake project, whose report is written anew without pictures."""
    return Path(shutil.copytree(reported, tmp_path / "project"))


@pytest.fixture(scope="module")
def shown(reported: Path) -> Page:
    return Page((reported / "reports/index.html").read_text(encoding="utf-8"))


def page_of(root: Path) -> Page:
    return Page(source(root))


def written(numbers: Iterable[float | None]) -> list[str]:
    return [formatting.number(own) for own in numbers]


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_models_side_by_side_are_the_files(reported: Path, shown: Page, target: str) -> None:
    project, verdict = reported, read_json(reported / f"verdicts/{target}.json")
    table = f"{target}-models"
    assert [row[0] for row in shown.tables[table][1:]] == [
        "regression",
        "neural",
        f"baseline: {FAMILIES[verdict['family']].baseline_name}",
        "random forest *",
    ]
    metrics = [read_json(project / f"metrics/{target}-{model}.json") for model in ("regression", "neural")]
    weights = [read_json(project / f"runs/{target}/{model}/weights.json") for model in ("regression", "neural")]
    trees = verdict["reference"]
    losses = [verdict["losses"]["regression"], verdict["losses"]["neural"], verdict["mean_loss"], trees["loss"]]
    held_out = [metrics[0]["loss"], metrics[1]["loss"], metrics[0]["baseline"]["loss"], None]
    fits = [verdict["fits"]["regression"], verdict["fits"]["neural"], None, None]
    assert shown.column(table, "cross-validated loss") == written(losses)
    assert shown.column(table, "interval") == [
        *(f"{formatting.number(low)} to {formatting.number(high)}" for low, high in verdict["loss_intervals"].values()),
        "–",
        "{} to {}".format(*written(trees["loss_interval"])),
    ]
    assert shown.column(table, "held-out loss") == written(held_out)
    assert shown.column(table, "parameters") == written([*(own["parameters"] for own in weights), None, None])
    assert shown.column(table, "epochs") == written([*(own["epochs"] for own in weights), None, None])
    assert shown.column(table, "fold fits") == written(fits)
    for key, name in FAMILIES[verdict["family"]].metrics.items():
        scores = [metrics[0][key], metrics[1][key], metrics[0]["baseline"][key]]
        assert shown.column(f"{target}-scores", name) == written(scores)


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_weights_are_the_files_beside_the_oracles(
    reported: Path, shown: Page, oracles: dict[str, Any], target: str
) -> None:
    table = f"{target}-regression"
    oracle = oracles["linear"]["evident_c1_0.1"] if target == "num_balloons" else oracles["logistic"]
    coefficients = pd.read_csv(reported / f"runs/{target}/regression/coefficients.csv")
    assert [row[0] for row in shown.tables[table][1:]] == list(coefficients["term"])
    names = {"estimate": "estimate", "std_error": "std error", "trained": "gradient descent"}
    for key, name in names.items():
        assert shown.column(table, name) == written(coefficients[key])
    ends = zip(written(coefficients["ci_low"]), written(coefficients["ci_high"]), strict=True)
    assert shown.column(table, "95 % interval") == [f"{low} to {high}" for low, high in ends]
    assert shown.column(table, "population") == written(oracle_weights(oracle))


def oracle_weights(oracle: dict[str, Any]) -> list[float]:
    """Return intercept, relationship, children, age of an entry of tests/reference/oracles.json."""
    return [float(oracle["bias"]), *(float(oracle["w"][name]) for name in ("relationship", "children", "age"))]


def test_weights_of_the_printed_balloons_are_the_oracles(project: Path, oracles: dict[str, Any]) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("partnered_children: 0.1", "partnered_children: 1.0"))
    shown = page_of(project).column("num_balloons-regression", "population")
    assert shown == written(oracle_weights(oracles["linear"]["printed_c1_1.0"]))


def test_answer_comes_first_with_its_numbers(reported: Path) -> None:
    project, text = reported, (reported / "reports/index.html").read_text(encoding="utf-8")
    for target in ("num_balloons", "color"):
        verdict = read_json(project / f"verdicts/{target}.json")
        section = text.partition(f'<section id="{target}"')[2].partition("</section>")[0]
        first = section.partition("<h3")[0]
        for share in (verdict["relative_gain"], *verdict["relative_gain_interval"]):
            assert percent(share) in first
        for loss in verdict["losses"].values():
            assert formatting.number(loss) in first
        assert verdict["advice"] in first
        assert f"badge {verdict['answer']}" in first
        assert Finding(verdict["finding"]).explained(verdict["challenger"], verdict["baseline"]) in first


def test_every_finding_has_words() -> None:
    assert len({finding.explained("neural", "regression") for finding in Finding}) == len(Finding)


def test_two_challengers_are_listed_with_a_wider_interval(project: Path) -> None:
    values = yaml.safe_load((project / "params.yaml").read_text())
    values["models"]["wide"] = values["models"]["neural"]
    (project / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for target in values["targets"]:
        copy(project / f"runs/{target}/neural", project / f"runs/{target}/wide")
        for kind, suffix in (
            ("metrics", "json"),
            ("predictions", "parquet"),
            ("effects", "csv"),
            ("effects/dependence", "csv"),
        ):
            copy(project / f"{kind}/{target}-neural.{suffix}", project / f"{kind}/{target}-wide.{suffix}")
    compare.run(project)
    table = page_of(project).tables["color-challengers"]
    assert table[0] == ["model", "gain", "95 % interval", "finding"]
    assert [row[0] for row in table[1:]] == ["neural", "wide"]


def copy(origin: Path, target: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, target)
    else:
        shutil.copy(origin, target)


def test_the_order_of_params_and_what_is_no_part_of_results_change_nothing(project: Path) -> None:
    first = source(project)
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({"tracking": {"live": True}} | dict(reversed(values.items())), sort_keys=False))
    assert source(project) == first


def test_the_page_stands_alone(reported: Path, shown: Page) -> None:
    assert not [tag for tag, _ in shown.tags if tag in ("script", "link", "iframe")]
    addresses = [str(own[key]) for _, own in shown.tags for key in ("src", "href", "xlink:href") if key in own]
    assert all(address.startswith("#") for address in addresses)
    images = [own for _, own in shown.tags if own.get("role") == "img"]
    assert len(images) == len([tag for tag, _ in shown.tags if tag == "svg"]) == 28
    assert all(own["aria-label"] for own in images)
    ids = [str(own["id"]) for _, own in shown.tags if "id" in own]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses} <= set(ids)
    labels = {own[key] for _, own in shown.tags for key in ("aria-labelledby", "aria-describedby") if key in own}
    assert labels <= set(ids)
    assert "make ui" in (reported / "reports/index.html").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_without_held_out_rows_it_says_why_there_are_no_scores(tmp_path: Path) -> None:
    write_project(tmp_path, held_out=0.0)
    (tmp_path / "reports").mkdir()
    for name in ("predictions-color.png", "predictions-color-1.svg"):
        (tmp_path / "reports" / name).write_bytes(b"of an earlier run")
    text = source(tmp_path)
    assert text.count("No rows were held out (<code>data.held_out</code> is 0)") == 2
    assert "color-scores" not in Page(text).tables
    assert Page(text).column("color-models", "held-out loss") == ["–"] * 4
    assert [path.name for path in (tmp_path / "reports").glob("*.png")] == ["losses.png"]
    assert not [*(tmp_path / "reports").glob("predictions-*"), *(tmp_path / "reports").glob("gains-*")]


def test_firth_and_unidentified_weights(project: Path) -> None:
    folder = project / "runs/color/regression"
    change(folder / "certificate.json", lambda own: own.update(method="firth", messages=["the classes are separated"]))
    table = pd.read_csv(folder / "coefficients.csv")
    blank = table.assign(**{key: math.nan for key in table.columns if key not in ("term", "trained")})
    write_csv(folder / "coefficients.csv", blank)
    text = source(project)
    assert "The likelihood has no finite optimum." in text
    assert "Note: the classes are separated." in text
    shown = Page(text)
    assert {cell for row in shown.tables["color-regression"][1:] for cell in row[1:4]} == {"–"}
    assert shown.column("color-regression", "gradient descent") == written(table["trained"])


def test_robust_standard_errors_are_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Standard errors are robust" not in source(project)
    path = project / "runs/color/regression/certificate.json"
    change(path, lambda own: own.update(standard_errors="sandwich"))
    assert source(project).count("Standard errors are robust (sandwich).") == 1
    terminal.show(load_results(project))
    assert capsys.readouterr().out.count("std error (sandwich)") == 1


def test_no_population_column_for_a_users_table(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["data"] = user_table("own.csv", "color")
    path.write_text(yaml.safe_dump(values))
    assert "population" not in page_of(project).tables["color-regression"][0]


@pytest.mark.slow
def test_report_imports_neither_tensorflow_nor_mlflow(project: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom straightline.stages import report\nreport.run(Path(sys.argv[1]))\n"
        "names = {'tensorflow', 'keras', 'mlflow', 'matplotlib.pyplot'}\nprint(sorted(names & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program, project], check=True, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1] == "[]"
