"""The tables that DVC plots draw against the files they come from, and the templates as DVC fills them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from straightline.report import plot_tables
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json, write_csv, write_json, write_parquet
from straightline.stages import compare, report
from tests.conftest import ROOT
from tests.fake_project import write_project

PLOTS: dict[str, dict[str, str]] = {
    name: properties
    for plot in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    if isinstance(plot, dict)
    for name, properties in plot.items()
}


@pytest.fixture
def project(reported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "project"))


def tables(root: Path) -> dict[str, pd.DataFrame]:
    return plot_tables.tables(load_results(root))


def of(table: pd.DataFrame, target: str, model: str) -> pd.DataFrame:
    assert set(table["variant"]) == {f"{row.target} / {row.model}" for row in table.itertuples()}
    return table[(table["target"] == target) & (table["model"] == model)].reset_index(drop=True)


def test_the_report_writes_every_table(reported: Path) -> None:
    expected = tables(reported)
    assert {path.name for path in (reported / "reports").glob("*.csv")} == set(expected)
    for name, table in expected.items():
        assert list(table)[:3] == ["target", "model", "variant"]
        written = pd.read_csv(reported / "reports" / name)
        pd.testing.assert_frame_equal(written, table.reset_index(drop=True), check_exact=True)


def test_losses_are_every_history_in_one(reported: Path) -> None:
    table = tables(reported)["losses.csv"]
    assert list(table)[3:] == ["epoch", "loss", "val_loss", "shown"]
    for target, model in table.groupby(["target", "model"]).groups:
        part, history = of(table, target, model), pd.read_csv(reported / f"runs/{target}/{model}/history.csv")
        pd.testing.assert_frame_equal(part[list(history)], history)
        assert part["shown"].tolist() == history["loss" if model == "regression" else "val_loss"].tolist()


def test_fold_gains_known_answers(project: Path) -> None:
    place = {"rows": 1, "train_rows": 1, "epochs": 1, "steps": 1, "method": "exact", "mean_loss": 9.0}
    regression = pd.DataFrame({"repeat": 0, "fold": [0, 1], "seed": 0, **place, "loss": [3.0, 5.0]})
    folds = {"fold": [0, 0, 1, 1], "seed": [0, 1, 0, 1], "loss": [1.0, 2.0, 6.0, 8.0]}
    for model, table in (("regression", regression), ("neural", pd.DataFrame({"repeat": 0, **folds, **place}))):
        write_csv(project / f"runs/color/{model}/folds.csv", table)
    table = tables(project)["folds.csv"]
    assert set(table["model"]) == {"neural"}
    gains = of(table, "color", "neural")[["repeat", "fold", "gain"]]
    assert gains.to_numpy().tolist() == [[0, 0, (3 - 1.5) / 4], [0, 1, (5 - 7) / 4]]


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_the_mean_gain_is_the_verdicts(reported: Path, target: str) -> None:
    gain = of(tables(reported)["folds.csv"], target, "neural")["gain"].mean()
    assert gain == pytest.approx(read_json(reported / f"verdicts/{target}.json")["relative_gain"])


def test_the_gain_over_a_loss_of_zero_is_blank(project: Path) -> None:
    path = project / "runs/color/regression/folds.csv"
    write_csv(path, pd.read_csv(path).assign(loss=0.0))
    assert of(tables(project)["folds.csv"], "color", "neural")["gain"].isna().all()


def test_predictions_are_the_files(reported: Path) -> None:
    table = tables(reported)["predictions.csv"]
    assert set(table["target"]) == {"num_balloons"}
    for model in ("regression", "neural"):
        part = of(table, "num_balloons", model)
        expected = pd.read_parquet(reported / f"predictions/num_balloons-{model}.parquet")
        pd.testing.assert_frame_equal(part[["truth", "prediction"]], expected)
        assert part["residual"].tolist() == (expected["truth"] - expected["prediction"]).tolist()


def test_of_many_predictions_an_even_sample_is_drawn(project: Path) -> None:
    rows = np.arange(2001.0)
    write_parquet(
        project / "predictions/num_balloons-neural.parquet", pd.DataFrame({"truth": rows, "prediction": rows + 1})
    )
    part = of(tables(project)["predictions.csv"], "num_balloons", "neural")
    assert len(part) == plot_tables.SAMPLE
    assert part["truth"].iloc[[0, -1]].tolist() == [0, 2000]
    assert set(part["truth"].diff()[1:]) == {2, 3}


def test_coefficients_are_every_regressions(reported: Path) -> None:
    table = tables(reported)["coefficients.csv"]
    assert set(table["model"]) == {"regression"}
    for target in ("num_balloons", "color"):
        expected = pd.read_csv(reported / f"runs/{target}/regression/coefficients.csv")
        columns = ["term", "estimate", "ci_low", "ci_high"]
        pd.testing.assert_frame_equal(of(table, target, "regression")[columns], expected[columns])


def test_confusion_known_answers(project: Path) -> None:
    rename_classes(project)
    rows = pd.DataFrame({"truth": [0.0, 0.0, 0.0, 1.0], "prediction": [0.1, 0.5, 0.6, 0.9]})
    write_parquet(project / "predictions/color-neural.parquet", rows)
    part = of(tables(project)["confusion.csv"], "color", "neural")[["actual", "predicted", "rows"]]
    cells = [["red", "red", 2], ["red", "blue", 1], ["blue", "red", 0], ["blue", "blue", 1]]
    assert part.to_numpy().tolist() == cells


def rename_classes(root: Path) -> None:
    schema = read_json(root / "data/schema.json")
    schema["targets"]["color"]["classes"] = ["red", "blue"]
    write_json(root / "data/schema.json", schema)


def test_confusion_agrees_with_the_accuracy(reported: Path) -> None:
    table = tables(reported)["confusion.csv"]
    for model in ("regression", "neural"):
        part, metrics = of(table, "color", model), read_json(reported / f"metrics/color-{model}.json")
        assert part["rows"].sum() == metrics["rows"]
        right = part.loc[part["actual"] == part["predicted"], "rows"].sum()
        assert right / metrics["rows"] == pytest.approx(metrics["accuracy"])


def test_without_held_out_rows_there_are_headers_only(tmp_path: Path) -> None:
    write_project(tmp_path, held_out=0.0)
    report.run(tmp_path)
    written = {name: (tmp_path / "reports" / name).read_text() for name in ("predictions.csv", "confusion.csv")}
    assert written == {
        "predictions.csv": "target,model,variant,truth,prediction,residual\n",
        "confusion.csv": "target,model,variant,actual,predicted,rows\n",
    }


def test_a_target_of_one_task_leaves_the_others_table_empty(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    del values["targets"]["color"]
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    compare.run(project)
    found = tables(project)
    assert found["confusion.csv"].empty
    assert set(found["predictions.csv"]["target"]) == {"num_balloons"}


def test_every_table_has_its_plot_and_every_plot_its_template() -> None:
    assert {properties["template"] for properties in PLOTS.values()} == {
        path.stem for path in (ROOT / ".dvc/plots").iterdir()
    }


def filled(name: str, table: pd.DataFrame, revisions: tuple[str, ...]) -> dict[str, Any]:
    """Return the plot of a table as DVC has it: all values text, those of each revision one after the other."""
    from dvc_render import VegaRenderer

    rows = table.astype(str).to_dict("records")
    points = [row | {"rev": revision} for revision in revisions for row in rows]
    properties = PLOTS[name] | {"template": str(ROOT / f".dvc/plots/{PLOTS[name]['template']}.json")}
    renderer = VegaRenderer(points, name, **properties)
    plot = dict(renderer.get_filled_template())
    assert plot["data"]["values"] == points
    return plot


@pytest.mark.parametrize("revisions", [("workspace",), ("workspace", "main")])
@pytest.mark.parametrize("name", PLOTS)
def test_a_template_is_filled_and_tells_variants_and_revisions_apart(
    reported: Path, name: str, revisions: tuple[str, ...]
) -> None:
    table = pd.read_csv(reported / name)
    plot = filled(name, table, revisions)
    assert "DVC_METRIC" not in json.dumps(plot)
    used = fields({key: value for key, value in plot.items() if key != "data"})
    assert used >= {PLOTS[name]["x"], PLOTS[name]["y"], "variant", "rev"}
    made = {"low", "high", "share", "class_rows"}
    assert used <= {*table, *made, "rev"}
    assert set(plot["data"].get("format", {}).get("parse", {})) <= set(table)


def fields(plot: Any) -> set[str]:
    """Return the columns that a plot draws."""
    if isinstance(plot, list):
        return {name for value in plot for name in fields(value)}
    if not isinstance(plot, dict):
        return set()
    own = {plot["field"]} if isinstance(plot.get("field"), str) else set()
    return own.union(*(fields(value) for value in plot.values()))


def test_losses_that_a_logarithm_cannot_show_are_left_out(reported: Path) -> None:
    plot = filled("reports/losses.csv", pd.read_csv(reported / "reports/losses.csv"), ("workspace",))
    assert plot["transform"] == [{"filter": "datum['shown'] > 0"}]


@pytest.fixture
def repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project below git and DVC, with the plots of this repository; reports/ is committed as it is."""
    for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_"))]:
        monkeypatch.delenv(name)
    rename_classes(project)
    report.run(project)
    (project / "dvc.yaml").write_text(
        yaml.safe_dump({"plots": yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]})
    )
    done(project, "git", "init", "-q")
    done(project, sys.executable, "-m", "dvc", "init", "-q")
    shutil.copyfile(ROOT / ".dvc/config", project / ".dvc/config")
    shutil.copytree(ROOT / ".dvc/plots", project / ".dvc/plots")
    done(project, "git", "add", "-A")
    done(project, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")
    return project


def done(root: Path, *words: str) -> str:
    found = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert not found.stderr
    return found.stdout


def test_dvc_draws_every_table_of_two_revisions_and_leaves_out_an_empty_one(repository: Path) -> None:
    for name in ("predictions", "losses"):
        path = repository / f"reports/{name}.csv"
        write_csv(path, pd.read_csv(path).iloc[:0])
    dvc = (sys.executable, "-m", "dvc", "plots")
    found = json.loads(done(repository, *dvc, "diff", "HEAD", "--json", "--split"))
    assert "errors" not in found
    revisions = {name: [plot["revisions"] for plot in found["data"][name]] for name in PLOTS}
    empty = {"reports/losses.csv", "reports/predictions.csv"}
    assert revisions == {name: [["HEAD"] if name in empty else ["workspace", "HEAD"]] for name in PLOTS}
    for name, properties in PLOTS.items():
        assert found["data"][name][0]["anchor_definitions"]["<DVC_METRIC_TITLE>"] == properties["title"]
    confusion = found["data"]["reports/confusion.csv"][0]["anchor_definitions"]["<DVC_METRIC_DATA>"]
    assert {row["actual"] for row in confusion} == {"red", "blue"}
    assert done(repository, *dvc, "show").strip().endswith("dvc_plots/index.html")
