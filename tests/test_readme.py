"""README.md and the pages for users: each command is known to its program, and each answer is what a command gives."""

import importlib.util
import re
import shlex
import subprocess
import sys
import time
import tomllib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from omegaconf import OmegaConf
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.comparison.verdict import Verdict
from straightline.config.settings import parse
from straightline.results import sentences
from straightline.runtime.artifacts import read_json
from straightline.stages import compose
from tests.conftest import ROOT
from tests.pages import blocks, pages, text
from tests.repository import Repository, ran, small_repository

HISTORY = ("docs/log.md", "CHANGELOG.md")  # They name commands of other times, and have no blocks.
PAGES = [page for page in pages() if page not in HISTORY]
TEXTS = {page: text(page) for page in PAGES}
PROGRAMS = ("straightline ", "dvc ", "make", "python ", "pip ", "cd ", "source ")
RUN = "straightline run houses.csv --target price"
PREDICT = "straightline predict straightline-houses new-houses.csv --out prices.csv"
PROJECT = ["straightline init houses.csv houses --target price", "cd houses && dvc repro"]
QUEUE = ["dvc exp run --queue -S 'models.neural.hidden=[8],[16]'", "dvc queue start"]
SHORT = ["make", "dvc repro", "straightline show", "straightline show --json", "straightline diff HEAD", "dvc exp show"]
SHORT += ["dvc metrics diff", "dvc plots show", "straightline track", "straightline repair", "straightline run --help"]
SHORT += ["straightline judge --margin 0.1 --confidence 0.9"]
# Code that only names a command, or shows a part of it.
NAMED = {"dvc exp run", "dvc exp run -S", "dvc exp run -S ...", "straightline run FILE --target COLUMN"}
NAMED |= {
    "straightline sweep ... --engine ray",
    "straightline COMMAND --help",
    "dvc exp run -S +model@models.<name>=<name>",
}
NAMED |= {"python -m build", "straightline init", "straightline --install-completion"}
NAMED |= {f"straightline {name}" for name in ("run", "predict", "init", "sweep", "diff")}
QUICK = ["models.neural.hidden=[4]", "fit.epochs=3", "folds.k=3", "folds.repeats=1", "folds.seeds=1"]


def commands() -> list[str]:
    """Return the commands that the pages show: lines of sh blocks, and code that begins with a program."""
    found: list[str] = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            lines = re.sub(r"\\\n *", "", block.text).splitlines()
            found += [re.sub(r" +# .*", "", line) for line in lines]
        codes = re.findall(r"`([^`\n]+)`", "".join(text(page).split("```")[::2]))
        found += [code for code in codes if code.startswith(PROGRAMS) and code not in NAMED]
    return list(dict.fromkeys(found))


def starting_with(beginning: str) -> list[str]:
    return [command for command in commands() if command.startswith(beginning)]


# The small repository leaves out the target in which the table as printed differs: nothing would be trained there.
EXPERIMENTS = [command for command in starting_with("dvc exp run -S") if "balloons_as_printed" not in command]
SWEEPS = [command for command in starting_with("straightline sweep ") if "--engine ray" not in command]
OTHER_TABLES = [command for command in EXPERIMENTS if "data=" in command and "data=table" not in command]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return small_repository(tmp_path_factory)


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """A small table, in the folder of the test."""
    random = np.random.default_rng(0)
    rooms, kind = random.integers(1, 8, 60), random.choice(["flat", "house"], 60)
    price = np.round(30 + 25 * rooms + 40 * (kind == "house") + random.normal(0, 10, 60), 1)
    table = pd.DataFrame({"rooms": rooms, "kind": kind, "price": price})
    table.to_csv(tmp_path / "houses.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return table


# What the commands do is shown by the tests of the rooms. Here the default run makes sure that each one, with its
# options and overrides, is what its program takes; the slow tests run them as they stand.


def parse_straightline(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("straightline", words[:1])
    if "--help" not in words:
        command.commands[words[0]].make_context(words[0], words[1:], parent=context)


def parse_dvc(words: list[str]) -> None:
    from dvc.cli import parse_args
    from dvc.utils.hydra import get_hydra_sweeps

    overrides = getattr(parse_args(words), "set_param", None) or []
    for experiment in get_hydra_sweeps({"params.yaml": overrides}):
        parse(yaml.safe_load(compose.render(ROOT / "conf", experiment["params.yaml"])))


def parse_make(words: list[str]) -> None:
    assert subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def parse_python(words: list[str]) -> None:
    name, *rest = words
    if name == "-c":
        compile(rest[0], "-c", "exec")
    elif name == "-m":
        assert importlib.util.find_spec(rest[0])
    elif rest:
        python = [sys.executable, *words, "--help"]
        assert "usage" in subprocess.run(python, cwd=ROOT, check=True, capture_output=True, text=True).stdout.lower()
    else:
        compile((ROOT / name).read_text(encoding="utf-8"), name, "exec")


def parse_pip(words: list[str]) -> None:
    subcommand, *options, what = words
    if what in ("build", "pycaret", "requirements.txt"):
        assert (subcommand, options) == ("install", ["-r"] if what == "requirements.txt" else [])
        return
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    place = r"straightline|\.|dist/straightline-[\d.]+-py3-none-any\.whl"
    found = re.fullmatch(rf"({place})(?:\[(\w+)\])?(?: @ git\+https://\S+\.git)?", what)
    name, extra = found.groups()  # type: ignore[union-attr]
    assert (subcommand, extra in {None, *extras}) == ("install", True), name


def parse_mlflow(words: list[str]) -> None:
    with warnings.catch_warnings(action="ignore"):
        from mlflow.cli import cli
    cli.commands[words[0]].make_context(words[0], words[1:])


def parse_ray(words: list[str]) -> None:
    with warnings.catch_warnings(action="ignore"):
        from ray.scripts.scripts import cli
    cli.commands[words[0]].make_context(words[0], words[1:])


def parse_git(words: list[str]) -> None:
    done = subprocess.run(["git", words[0], "-h"], check=False, capture_output=True, text=True)
    assert done.stdout.startswith(f"usage: git {words[0]}")


def parse_shell(words: list[str]) -> None:
    """For what the shell does itself, for curl and head, which other tests run, and for docker, which is not there."""
    subprocess.run(["bash", "-n", "-c", f"true {shlex.join(words)}"], check=True)


PARSERS = {"straightline": parse_straightline, "dvc": parse_dvc, "make": parse_make, "python": parse_python}
PARSERS |= {"pip": parse_pip, "mlflow": parse_mlflow, "ray": parse_ray, "git": parse_git}
PARSERS |= dict.fromkeys(("cd", "chmod", "curl", "docker", "export", "head", "source"), parse_shell)


@pytest.mark.parametrize("command", commands())
def test_a_command_is_what_its_program_takes(command: str) -> None:
    for part in re.split(r" && ", command):
        program, *words = shlex.split(part)
        PARSERS[program](words[: words.index(">")] if ">" in words else words)


def test_the_commands_that_slow_tests_run_are_there() -> None:
    assert {RUN, PREDICT, *PROJECT, *QUEUE, *SHORT} < set(commands())
    assert len(EXPERIMENTS) > 5
    assert len(SWEEPS) == 1


def test_a_table_of_ones_own(houses: pd.DataFrame) -> None:
    houses.drop(columns="price").head(3).to_csv("new-houses.csv", index=False)
    for command in ([*shlex.split(RUN), *QUICK], shlex.split(PREDICT)):
        done = CliRunner().invoke(app, command[1:])
        assert done.exit_code == 0, done.output
    prices = pd.read_csv("prices.csv")
    assert len(prices) == 3
    assert (prices.iloc[:, -1] - houses["price"].head(3)).abs().max() < 40


@pytest.mark.slow
def test_a_project_of_ones_own(houses: pd.DataFrame, tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.environment.pop("PYTHONPATH")
    repository.run("bash", "-c", " && ".join(PROJECT))
    assert (tmp_path / "houses/reports/index.html").exists()


@pytest.mark.slow
def test_what_takes_no_time(repository: Repository) -> None:
    (repository.root / ".venv").mkdir()
    (repository.root / ".venv/installed").touch()
    lock = repository.root / "dvc.lock"
    whole = lock.read_bytes()
    for command in SHORT:
        lock.write_bytes(whole[: whole.rindex(b"size: ") + 6] if command == "straightline repair" else whole)
        output = repository.run("bash", "-c", command.replace("make", "make run") if command == "make" else command)
        assert "Traceback" not in output
        assert ran(output) == []
    lock.write_bytes(whole)
    assert repository.run("git", "status", "--porcelain", "--untracked-files=no") == ""


@pytest.mark.slow
def test_a_sweep(repository: Repository) -> None:
    output = repository.run("bash", "-c", SWEEPS[0])
    assert "Try it in the pipeline: dvc exp run -S" in output
    assert (repository.root / "sweeps/sweep.csv").exists()


def restored(repository: Repository) -> Repository:
    """Return it as its last commit has it."""
    repository.run("git", "checkout", "-q", ".")
    repository.run("git", "clean", "-qfd")
    repository.dvc("checkout", "-q")
    return repository


@pytest.mark.slow
def test_queued_experiments_end_in_this_store(repository: Repository) -> None:
    before = len(restored(repository).live_runs())
    for command in QUEUE:
        repository.run("bash", "-c", command)
    end = time.monotonic() + 300
    while repository.dvc("queue", "status").count("Success") < 2 and time.monotonic() < end:
        time.sleep(5)
    assert len(repository.live_runs()) == before + 6
    assert repository.dvc("exp", "show", "--csv").count("Success") == 2


@pytest.mark.slow
def test_experiments_all_at_once_with_ones_own_table_and_a_fault_in_it(
    repository: Repository, houses: pd.DataFrame
) -> None:
    houses.to_csv(restored(repository).root / "houses.csv", index=False)
    repository.commit()
    experiments = [command for command in EXPERIMENTS if command not in OTHER_TABLES]
    overrides = [word for command in experiments for word in shlex.split(command)[4::2]]
    words = ["exp", "run", *(word for override in (*overrides, "fit.epochs=20") for word in ("-S", override))]
    output = repository.dvc(*words)
    params = OmegaConf.load(repository.root / "params.yaml")
    models = list(params.models)
    assert {"regression", "neural", "wide", "quadratic", "large", "upgraded"} == set(models)
    assert {"data", *(f"train@target-{model}" for model in models), "report", "track"} <= set(ran(output))
    for key, value in (override.split("=", 1) for override in overrides):
        if not key.startswith("+") and "." in key:
            assert OmegaConf.select(params, key) == yaml.safe_load(value)
    assert read_json(repository.root / "verdicts/target.json")["ladder"]["advice"]
    assert [path.name for path in (repository.root / "runs").iterdir()] == ["target"]

    kept = (repository.root / "data/train.parquet").read_bytes()
    failed = repository.dvc(*words, "-S", "data.target=prize", fails=True)
    assert "data: houses.csv: has no column 'prize'; nearest: price" in failed
    assert "Traceback" not in failed
    assert (repository.root / "data/train.parquet").read_bytes() == kept
    assert (repository.root / "verdicts/target.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", OTHER_TABLES)
def test_an_experiment_with_another_table(repository: Repository, command: str) -> None:
    stages = ran(restored(repository).run("bash", "-c", command))
    assert {"data", "report", "track"} <= set(stages)
    assert len([stage for stage in stages if stage.startswith("train@")]) == 2


def test_the_answer_is_that_of_the_committed_verdicts() -> None:
    page = TEXTS["docs/how-to/pipeline.md"]
    flowing = " ".join(page.split())
    for target in ("num_balloons", "color"):
        verdict = Verdict.from_json(read_json(ROOT / f"verdicts/{target}.json"))
        assert " ".join(sentences.headline(verdict, target).split()) in flowing
        assert verdict.advice in flowing
        for model, loss in verdict.losses.items():
            low, high = verdict.loss_intervals[model]
            held_out = read_json(ROOT / f"metrics/{target}-{model}.json")["loss"]
            (row,) = re.findall(rf"│ {model} .*{re.escape(f'{loss:.5g}')}.*", page)
            assert f"{low:.5g} to {high:.5g}" in row
            assert f"{held_out:.5g}" in row


def test_calibrations_figures_are_those_of_its_table() -> None:
    table = pd.read_csv(ROOT / "docs/calibration/calibration.csv")
    null = table[table["truth"].isin(["linear", "noise"])]
    assert f"{null['simulations'].sum():,} tables" in " ".join(TEXTS["docs/decision.md"].split())
    assert not null["rate"].any()
    curve = table[(table["simulations"] == 300) & (table["rows"] == 100) & (table["rate"].round(2) == 0.64)]
    assert len(curve) == 1
    assert "300 tables of 100 rows with a strong curve it found 64 %" in " ".join(TEXTS["docs/decision.md"].split())


def test_readme_is_one_screen() -> None:
    assert len(TEXTS["README.md"].splitlines()) < 50


def test_the_first_answer_is_what_its_command_gives() -> None:
    """The output in examples/README.md, of which this is a part, is compared with the command's by its tests."""
    command, answer = blocks("README.md", "sh", "text")
    assert command.text.splitlines()[-1] in TEXTS["examples/README.md"]
    assert len(answer.text.splitlines()) > 5
    assert answer.text in TEXTS["examples/README.md"]


@pytest.mark.slow
def test_the_block_of_python_gives_the_answer_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = blocks("README.md", "python")
    names: dict[str, Any] = {}
    exec(block.text, names)
    assert re.findall(r"answer\.answer  # '(\w+)'", block.text) == [names["answer"].answer]
