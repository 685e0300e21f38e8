"""`straightline init`: a user's table as a DVC and git project of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.config.table_options import TableOptions, table_settings
from straightline.data import examples
from straightline.errors import UserError
from straightline.projects.pipeline import pipeline
from straightline.stages import compose
from tests.builders import quick
from tests.conftest import ROOT, shared
from tests.repository import ran

QUICK = quick(hidden=4, epochs=3, k=3)
AUTHOR = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


OPTIONS = ("--target", "a ${year} later", "--categorical", "sex", "--exclude", "s1,s2", "--held-out", "0.3")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(tmp_path, monkeypatch)
    return tmp_path


def enter(folder: Path, patched: pytest.MonkeyPatch) -> None:
    """Work in `folder`, where a table is, as an author that git knows."""
    examples.load("diabetes").rename(columns={"target": "a ${year} later"}).to_csv(folder / "table.csv", index=False)
    patched.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_", "MLFLOW_"))]:
        patched.delenv(name)
    for name, value in AUTHOR.items():
        patched.setenv(name, value)
    patched.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["init", *arguments])


def done(folder: Path, *words: str) -> str:
    found = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout + found.stderr


def experiment(factory: pytest.TempPathFactory, root: Path) -> str:
    """Copy to `root` a project in which an experiment has run, and return what that printed."""
    made = shared(factory, "experiment", _run_experiment)
    shutil.copytree(made / "project", root, symlinks=True)
    return (made / "output.txt").read_text()


def _run_experiment(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        enter(folder, patched)
        found = invoke("table.csv", "project", *OPTIONS)
        assert found.exit_code == 0, found.output
        words = [word for one in QUICK for word in ("-S", one)]
        output = done(folder / "project", sys.executable, "-m", "dvc", "exp", "run", *words)
    (folder / "output.txt").write_text(output)


def test_the_project_has_its_settings(here: Path) -> None:
    found = invoke("table.csv", "project", *OPTIONS, "--effort", "quick")
    assert found.exit_code == 0, found.output
    assert "cd project && dvc repro" in found.output
    root = here / "project"
    assert sorted(path.name for path in here.iterdir()) == ["project", "table.csv"]
    assert (root / "data/table.csv").read_bytes() == (here / "table.csv").read_bytes()
    assert str(here) not in "".join(path.read_text() for path in root.rglob("*.yaml"))
    compose.check(root)
    templates = sorted(path.name for path in (ROOT / ".dvc/plots").iterdir())
    assert sorted(path.name for path in (root / ".dvc/plots").iterdir()) == templates

    data = {"exclude": ["s1", "s2"], "categorical": ["sex"], "held_out": 0.3}
    options = TableOptions(Path("table.csv"), ["a ${year} later"], data=data, overrides=["effort=quick"])
    known = yaml.safe_load(table_settings(options))
    params = yaml.safe_load((root / "params.yaml").read_text())
    assert params["data"].pop("path") == "data/table.csv"
    known["data"].pop("path")
    assert params == known

    assert done(root, "git", "status", "--short") == ""


@pytest.mark.slow
def test_its_stages_run_in_it(here: Path) -> None:
    found = invoke("table.csv", "project", *OPTIONS)
    assert found.exit_code == 0, found.output
    root = here / "project"
    output = done(root, sys.executable, "-m", "dvc", "repro", "train@a_year_later-regression")
    assert ran(output)[-2:] == ["data", "train@a_year_later-regression"]
    terms = pd.read_csv(root / "runs/a_year_later/regression/coefficients.csv")["term"]
    assert terms.tolist() == ["Intercept", "age", "sex[2]", "bmi", "bp", "s3", "s4", "s5", "s6"]


@pytest.mark.slow
def test_experiments_run_in_it(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = here / "project"
    output = experiment(tmp_path_factory, root)
    stages = {"data", "train@a_year_later-regression", "train@a_year_later-neural", "report", "track"}
    assert stages <= set(ran(output))
    terms = pd.read_csv(root / "runs/a_year_later/regression/coefficients.csv")["term"]
    assert terms.tolist() == ["Intercept", "age", "sex[2]", "bmi", "bp", "s3", "s4", "s5", "s6"]
    shown = done(root, "straightline", "show")
    assert "predict a ${year} later" in shown
    assert "MLflow UI: straightline ui" in shown
    assert "already in MLflow" in done(root, "straightline", "track")


def test_a_stage_of_the_project_depends_on_the_packages_version() -> None:
    own, ours = yaml.safe_load(pipeline({})), yaml.safe_load((ROOT / "dvc.yaml").read_text())
    assert list(own["stages"]) == list(ours["stages"])
    for name, stage in own["stages"].items():
        assert set(stage["deps"]) - {"requirements.txt"} == {
            path for path in ours["stages"][name]["deps"] if not path.startswith("src/")
        }
        assert "requirements.txt" in stage["deps"]
        assert stage["cmd"] == ours["stages"][name]["cmd"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("none.csv", "project", "--target", "y"), "none.csv: no such file"),
        (("table.csv", "project", "--target", "y"), "has no column 'y'"),
        (("table.csv", "full", "--target", "age"), "full: already exists; choose a new folder"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_there(here: Path, arguments: tuple[str, ...], told: str) -> None:
    (here / "full").mkdir()
    (here / "full/own.txt").touch()
    found = invoke(*arguments)
    assert isinstance(found.exception, UserError)
    assert told in str(found.exception)
    assert sorted(path.name for path in here.iterdir()) == ["full", "table.csv"]


@pytest.mark.parametrize("name", ["2024", "on", "null", "1e5", "table", "inf", "x" * 200])
def test_names_that_yaml_reads_as_values_are_names(here: Path, name: str) -> None:
    pd.read_csv("table.csv").rename(columns={"s3": name}).to_csv(f"{name}.csv", index=False)
    found = invoke(f"{name}.csv", "project", "--target", name)
    assert found.exit_code == 0, found.exception
    config = yaml.safe_load((here / "project/params.yaml").read_text())
    assert config["data"]["path"] == f"data/{name}.csv"
    assert [target["column"] for target in config["targets"].values()] == [name]


def test_the_current_folder_may_become_the_project(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "empty").mkdir()
    monkeypatch.chdir(here / "empty")
    found = invoke("../table.csv", ".", "--target", "age")
    assert found.exit_code == 0, found.exception
    names = {path.name for path in (here / "empty").iterdir()}
    assert {"conf", "data", "dvc.yaml", ".git", ".dvc"} <= names
    assert not [name for name in names if name.startswith(".straightline-")]


def test_without_git_or_a_name_it_says_what_to_do(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AUTHOR:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("EMAIL", "")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    found = invoke("table.csv", "project", "--target", "age")
    assert found.exit_code == 0, found.output
    assert "git does not know your name yet" in found.output
    assert "cd project && git commit -m 'Begin' && dvc repro" in found.output
    monkeypatch.setenv("PATH", "")
    assert "git: not found" in str(invoke("table.csv", "other", "--target", "age").exception)
