"""README.md and the pages for users: each command is known to its program, and each answer is what a command gives."""

import re
import shlex
import subprocess
import sys
import time
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
from tests.repository import Repository, ran, small_repository

PAGES = [
    "README.md",
    *(
        f"docs/{name}.md"
        for name in ("decision", "families", "install", "models", "pipeline", "python", "sweeps", "tables", "tracking")
    ),
]
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
PROGRAMS = ("straightline ", "dvc ", "make", "python ", "cd ", "source ")
RUN = "straightline run houses.csv --target price"
PREDICT = "straightline predict straightline-houses new-houses.csv --out prices.csv"
PROJECT = ["straightline init houses.csv houses --target price", "cd houses && dvc repro"]
QUEUE = ["dvc exp run --queue -S 'models.neural.hidden=[8],[16]'", "dvc queue start"]
SHORT = ["make", "dvc repro", "straightline show", "straightline show --json", "straightline diff HEAD", "dvc exp show"]
SHORT += ["dvc metrics diff", "dvc plots show", "straightline track", "straightline repair", "straightline run --help"]
SHORT += ["straightline judge --margin 0.1 --confidence 0.9"]
NAMED = {"dvc exp run", "dvc exp run -S ...", "straightline run", "straightline predict", "python docs/tracking.py"}
NAMED |= {"python -m build", "straightline init", "straightline --install-completion"}
QUICK = ["models.neural.hidden=[4]", "fit.epochs=3", "folds.k=3", "folds.repeats=1", "folds.seeds=1"]


def commands() -> list[str]:
    """Return the commands that the pages show: lines of code blocks, and code that begins with a program."""
    found: list[str] = []
    for text in TEXTS.values():
        for block in re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            lines = (line.partition("  #")[0].strip() for line in block.splitlines())
            found += [line for line in lines if line.startswith(PROGRAMS)]
        found += [code for code in re.findall(r"`([^`\n]+)`", text) if code.startswith(PROGRAMS) and code not in NAMED]
    return list(dict.fromkeys(found))


def starting_with(beginning: str) -> list[str]:
    return [command for command in commands() if command.startswith(beginning)]


EXPERIMENTS, SWEEPS = starting_with("dvc exp run -S"), starting_with("straightline sweep ")
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
    steps = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert any(name in steps for name in ("straightline", "pytest", "benchmarks", "Nothing to be done for 'install'"))


def parse_python(words: list[str]) -> None:
    python = [sys.executable, *words, "--help"]
    assert "usage" in subprocess.run(python, cwd=ROOT, check=True, capture_output=True, text=True).stdout.lower()


@pytest.mark.parametrize("command", commands())
def test_a_command_is_what_its_program_takes(command: str) -> None:
    parsers = {"straightline": parse_straightline, "dvc": parse_dvc, "make": parse_make, "python": parse_python}
    for program, *words in (shlex.split(part) for part in command.split(" && ")):
        assert program in parsers or (program, *words) in (("cd", "houses"), ("source", ".venv/bin/activate"))
        if program in parsers:
            parsers[program](words)


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
    text = TEXTS["docs/pipeline.md"]
    flowing = " ".join(text.split())
    for target in ("num_balloons", "color"):
        verdict = Verdict.from_json(read_json(ROOT / f"verdicts/{target}.json"))
        assert " ".join(sentences.headline(verdict, target).split()) in flowing
        assert verdict.advice in flowing
        for model, loss in verdict.losses.items():
            low, high = verdict.loss_intervals[model]
            held_out = read_json(ROOT / f"metrics/{target}-{model}.json")["loss"]
            (row,) = re.findall(rf"│ {model} .*{re.escape(f'{loss:.5g}')}.*", text)
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


def test_the_first_answer_is_what_its_command_gives() -> None:
    """The output in examples/README.md, of which this is a part, is compared with the command's by its tests."""
    command, answer = re.findall(r"^```\n(.*?)^```", TEXTS["README.md"], re.MULTILINE | re.DOTALL)[:2]
    examples = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert command.splitlines()[-1] in examples
    assert len(answer.splitlines()) > 10
    assert answer in examples


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page]) if not link.startswith("http")]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    places = {link: (folder / link.partition("#")[0]).resolve().relative_to(ROOT).as_posix() for link in links}
    assert [link for link, place in places.items() if place not in tracked] == []
    for link, place in places.items():
        if heading := link.partition("#")[2]:
            lines = (ROOT / place).read_text(encoding="utf-8").splitlines()
            assert heading in {line.strip("# ").lower().replace(" ", "-") for line in lines}
