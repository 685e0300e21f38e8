"""`straightline sweep`: its winner is judged on fresh folds as a run would judge it, and can be adopted."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from straightline.errors import UserError
from straightline.stages import compose
from tests.builders import rows_of
from tests.conftest import ROOT
from tests.drawn import drawn_table
from tests.sweeps.cases import QUICK, SWEEP, invoke


@pytest.mark.slow
def test_the_winner_is_judged_as_a_run_on_fresh_folds_would(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, output = swept, " ".join((swept / "output.txt").read_text().split())
    monkeypatch.chdir(tmp_path)
    table = pd.read_csv(here / "sweeps/sweep.csv")
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["loss"].iloc[:3].is_monotonic_increasing
    assert table["loss"].iloc[3:].isna().all()
    assert table["reason"].iloc[3:].str.contains("models.neural.dropout: expected").all()
    assert "3 of 6 configs failed, mostly: sweep: models.neural.dropout: expected" in output
    verdict = json.loads((here / "sweeps/sweep.json").read_text())
    assert verdict["point"] == {
        "models.neural.learning_rate": str(table.loc[0, "models.neural.learning_rate"]),
        "models.neural.dropout": "0",
    }
    raised = verdict["optimism"] / (verdict["losses"]["neural"] - verdict["optimism"])
    assert (
        f"Neural is selected from 6 configs on these rows, and its loss is raised by {100 * raised:.1f} % for that."
    ) in output.replace("\N{NO-BREAK SPACE}", " ")
    assert verdict["ledger"]["neural"]["configs"] == 6

    own = [f"{key}={value}" for key, value in verdict["point"].items()]
    again = invoke("run", str(here / "own.csv"), "--target", "y", *QUICK, *own, "folds.seed=1")
    assert again.exit_code == 0, again.output
    known = json.loads((tmp_path / "straightline-own/verdicts/y.json").read_text())
    neural, line = known["losses"]["neural"] + verdict["optimism"], known["losses"]["regression"]
    assert verdict["losses"] == pytest.approx({"regression": line, "neural": neural}, rel=1e-12)
    assert verdict["relative_gain"] == pytest.approx(1 - neural / line, rel=1e-9)
    for model in ("regression", "neural"):
        metrics = json.loads((tmp_path / f"straightline-own/metrics/y-{model}.json").read_text())
        assert verdict["held_out"][model] == pytest.approx(metrics["loss"], rel=1e-9)


def write_drawn(path: Path, family: str) -> None:
    """Write a table with the weights w and, for counts, the exposure t."""
    table = drawn_table(family, 150, weighted=True, exposed=True)
    rows = rows_of(table)
    frame = pd.DataFrame(rows.features, columns=["a", "b"]).assign(w=rows.weights)
    frame["y"] = rows.labels if table.classes is None else np.array(table.classes)[rows.labels.astype(int)]
    if rows.offset is not None:
        frame["t"] = np.exp(rows.offset)
    frame.to_csv(path, index=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("multinomial", ("--weights", "w", "--weights-are", "sampling")),
        ("poisson", ("--family", "poisson", "--exposure", "t", "--weights", "w")),
    ],
)
def test_the_winner_of_weighted_rows_is_judged_as_a_run_on_fresh_folds_would(
    family: str, options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_drawn(tmp_path / "drawn.csv", family)
    varied = "models.neural.learning_rate=0.003,0.03"
    own = ("--target", "y", *options)
    found = invoke("sweep", varied, *QUICK, "--table", "drawn.csv", *own, "--no-track")
    assert found.exit_code == 0, found.output
    verdict = json.loads((tmp_path / "sweeps/sweep.json").read_text())
    chosen = [f"{key}={value}" for key, value in verdict["point"].items()]
    again = invoke("run", "drawn.csv", *own, *QUICK, *chosen, "folds.seed=1")
    assert again.exit_code == 0, again.output
    known = json.loads((tmp_path / "straightline-drawn/verdicts/y.json").read_text())
    neural, line = known["losses"]["neural"] + verdict["optimism"], known["losses"]["regression"]
    assert verdict["losses"] == pytest.approx({"regression": line, "neural": neural}, rel=1e-12)
    for model in ("regression", "neural"):
        metrics = json.loads((tmp_path / f"straightline-drawn/metrics/y-{model}.json").read_text())
        assert verdict["held_out"][model] == pytest.approx(metrics["loss"], rel=1e-9)


@pytest.mark.slow
def test_outcomes_of_numbers_are_not_those_of_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers are the same bytes in data/, whatever family is asked for."""
    monkeypatch.chdir(tmp_path)
    write_drawn(tmp_path / "drawn.csv", "poisson")
    varied = ("models.neural.learning_rate=0.003,0.03", *QUICK, "data.exclude=[w,t]")
    own = ("--table", "drawn.csv", "--target", "y", "--no-track", "--storage", "sqlite:///sweep.db")
    for family in ("gaussian", "poisson"):
        found = invoke("sweep", *varied, *own, "--family", family, "--name", family)
        assert found.exit_code == 0, found.output
    losses = [pd.read_csv(f"sweeps/{family}.csv").set_index("trial")["loss"] for family in ("gaussian", "poisson")]
    assert (losses[0] != losses[1]).all()


@pytest.mark.slow
def test_the_pipelines_rows_are_swept_twice_alike_and_held_out_rows_are_not_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "conf").symlink_to(ROOT / "conf")
    params = yaml.safe_load((project / "params.yaml").read_text())
    arguments = (*SWEEP, f"data.rows={params['data']['rows']}", "--target", "color", "--no-track")
    found = invoke(*arguments)
    assert found.exit_code == 0, found.output
    settings = " ".join(f"-S {shlex.quote(text)}" for text in QUICK)
    assert f"Try it in the pipeline: dvc exp run {settings}" in " ".join(found.output.split())
    first = (project / "sweeps/sweep.csv").read_bytes()
    test = pd.read_parquet(project / "data/test.parquet")
    test.assign(color=1 - test["color"]).to_parquet(project / "data/test.parquet")
    assert invoke(*arguments).exit_code == 0
    assert (project / "sweeps/sweep.csv").read_bytes() == first


@pytest.mark.slow
def test_the_winner_is_adopted_where_its_settings_live(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    shutil.copytree(ROOT / "conf", project / "conf")
    rows = f"data.rows={yaml.safe_load((project / 'params.yaml').read_text())['data']['rows']}"
    varied = ("models.neural.learning_rate=0.003,0.03", "models.neural.hidden=[3],[4,2]", "fit.batch_size=16,64")
    found = invoke("sweep", *varied, *QUICK[:-1], rows, "--target", "color", "--no-track", "--adopt")
    assert found.exit_code == 0, found.output
    point = json.loads((project / "sweeps/sweep.json").read_text())["point"]
    values = yaml.safe_load(compose.render(project / "conf"))
    before = yaml.safe_load(compose.render(ROOT / "conf"))
    before["models"]["neural"] |= {
        "learning_rate": float(point["models.neural.learning_rate"]),
        "hidden": json.loads(point["models.neural.hidden"]),
        "selected_from": 8,
    }
    before["fit"]["batch_size"] = int(point["fit.batch_size"])
    assert values == before
    comments = [line for line in (ROOT / "conf/model/single.yaml").read_text().splitlines() if "#" in line]
    assert set(comments) <= set((project / "conf/model/single.yaml").read_text().splitlines())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sweep", "fit.seed=1,2"), "run `dvc repro data` first"),
        (
            ("sweep", "fit.seed=1,2", "--target", "colour", "data.rows=600"),
            "expected one of num_balloons, color, got colour",
        ),
        (("sweep", "fit.seed=1,2", "data.rows=600"), "expected one of num_balloons, color, got none"),
        (("sweep", "fit.seed=1,2", "--table", "none.csv"), "--table: add --target, the column to predict"),
        (("sweep", "fit.seed=1,2", "--target", "color", "--weights-are", "sampling"), "--weights-are: add --table"),
        (("sweep", "fit.seed=1,2", "--target", "color", "--family", "poisson"), "--family: add --table"),
        (
            ("sweep", "fit.seed=1,2", "--table", "none.csv", "--target", "y", "--adopt"),
            "--adopt: leave --table out",
        ),
        (("sweep", "fit.seed=1,2", "--table", "none.csv", "--target", "y"), "none.csv: no such file"),
        (("sweep", "fit.seed=1,2", "--name", "../other"), "--name: expected a file name of letters, digits, - and _"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(project)
    (project / "conf").symlink_to(ROOT / "conf")
    found = invoke(*arguments)
    assert isinstance(found.exception, UserError), found.output
    assert told in str(found.exception)
    assert not (project / "sweeps").exists()
