"""README.md: every command in it is run, and its answer is what the committed verdicts say."""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from omegaconf import OmegaConf
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.results import sentences
from straightline.runtime.artifacts import read_json
from tests.conftest import ROOT
from tests.repository import Repository, ran, small_repository

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = ("straightline ", "dvc ", "make", "python ", "cd ", "source ")
TABLE = ["straightline run houses.csv --target price"]
TABLE += ["straightline predict straightline-houses/runs/price/regression new-houses.csv --out prices.csv"]
PROJECT = ["straightline init houses.csv houses --target price", "cd houses && dvc repro && straightline show"]
QUEUE = ["dvc exp run --queue -S 'models.neural.hidden=[8],[16]'", "dvc queue start"]
SHORT = ["make", "dvc repro", "straightline show", "straightline show --json", "straightline diff HEAD", "dvc exp show"]
SHORT += ["dvc metrics diff", "dvc plots show", "straightline track", "straightline repair", "straightline run --help"]
# Servers, which tests/test_ui.py and tests/test_registry.py start, what runs this, and what takes minutes or hours.
PLANNED = ["make ui", "make serve TARGET=color", "make test", "make faults", "make bench"]
LONG = ["straightline calibrate", "python benchmarks/sweep.py --times 2"]
ACTIVATE = "source .venv/bin/activate"
NAMED = {"dvc exp run", "dvc exp run -S ..."}  # and not typed so


def commands() -> Iterator[str]:
    """Yield what README.md tells to type: lines of code blocks, and code that begins with a program."""
    for block in re.findall(r"^```\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        lines = (line.partition("  #")[0].strip() for line in block.splitlines())
        yield from (line for line in lines if line.startswith(PROGRAMS))
    yield from (code for code in re.findall(r"`([^`\n]+)`", TEXT) if code.startswith(PROGRAMS) and code not in NAMED)


def found(beginning: str) -> list[str]:
    return [command for command in dict.fromkeys(commands()) if command.startswith(beginning)]


EXPERIMENTS, SWEEPS = found("dvc exp run -S"), found("straightline sweep ")
OTHERS = [one for one in EXPERIMENTS if "data=" in one and "data=table" not in one]  # than one's own tables


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


def test_no_command_is_left_out() -> None:
    covered = [*TABLE, *PROJECT, *QUEUE, *SHORT, *PLANNED, *LONG, ACTIVATE, *EXPERIMENTS, *SWEEPS]
    assert sorted(set(commands())) == sorted(covered)
    assert len(EXPERIMENTS) > 5
    assert len(SWEEPS) == 1


def test_a_table_of_ones_own(houses: pd.DataFrame) -> None:
    houses.drop(columns="price").head(3).to_csv("new-houses.csv", index=False)
    for command in TABLE:
        done = CliRunner().invoke(app, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
    prices = pd.read_csv("prices.csv")
    assert len(prices) == 3
    assert (prices.iloc[:, -1] - houses["price"].head(3)).abs().max() < 40


def test_a_project_of_ones_own(houses: pd.DataFrame, tmp_path: Path) -> None:
    own = Repository(tmp_path)
    own.environment.pop("PYTHONPATH")
    own.run("bash", "-c", " && ".join(PROJECT))
    assert (tmp_path / "houses/reports/index.html").exists()


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


@pytest.mark.parametrize("command", [*PLANNED, *LONG])
def test_what_takes_long_or_waits_is_there(repository: Repository, command: str) -> None:
    if command.startswith("make"):
        steps = repository.run(*command.replace("make", "make --dry-run", 1).split())
        assert "straightline" in steps or "pytest" in steps or "benchmarks" in steps
    else:
        assert "usage" in repository.run(*command.split(), "--help").lower()


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


def test_queued_experiments_end_in_this_store(repository: Repository) -> None:
    before = len(restored(repository).live_runs())
    for command in QUEUE:
        repository.run("bash", "-c", command)
    end = time.monotonic() + 300
    while repository.dvc("queue", "status").count("Success") < 2 and time.monotonic() < end:
        time.sleep(5)
    assert len(repository.live_runs()) == before + 6
    assert repository.dvc("exp", "show", "--csv").count("Success") == 2


def test_experiments_all_at_once_with_ones_own_table_and_a_fault_in_it(
    repository: Repository, houses: pd.DataFrame
) -> None:
    houses.to_csv(restored(repository).root / "houses.csv", index=False)
    repository.commit()
    overrides = [word for one in EXPERIMENTS if one not in OTHERS for word in shlex.split(one)[4::2]]
    words = ["exp", "run", *(word for own in (*overrides, "fit.epochs=20") for word in ("-S", own))]
    output = repository.dvc(*words)
    params = OmegaConf.load(repository.root / "params.yaml")
    models = list(params.models)
    assert {"regression", "neural", "wide", "quadratic", "large", "upgraded"} == set(models)
    assert {"data", *(f"train@target-{model}" for model in models), "report", "track"} <= set(ran(output))
    for key, value in (own.split("=", 1) for own in overrides if not own.startswith("+") and "." in own):
        assert OmegaConf.select(params, key) == yaml.safe_load(value)
    assert read_json(repository.root / "verdicts/target.json")["ladder"]["advice"]
    assert [path.name for path in (repository.root / "runs").iterdir()] == ["target"]

    kept = (repository.root / "data/train.parquet").read_bytes()
    failed = repository.dvc(*words, "-S", "data.target=prize", fails=True)
    assert "data: houses.csv: has no column 'prize'; nearest: price" in failed
    assert "Traceback" not in failed
    assert (repository.root / "data/train.parquet").read_bytes() == kept
    assert (repository.root / "verdicts/target.json").exists()


@pytest.mark.parametrize("command", OTHERS)
def test_an_experiment_with_another_table(repository: Repository, command: str) -> None:
    stages = ran(restored(repository).run("bash", "-c", command))
    assert {"data", "report", "track"} <= set(stages)
    assert len([stage for stage in stages if stage.startswith("train@")]) == 2


def test_the_answer_is_that_of_the_committed_verdicts() -> None:
    flowing = " ".join(TEXT.split())
    for target in ("num_balloons", "color"):
        verdict = read_json(ROOT / f"verdicts/{target}.json")
        assert " ".join(sentences.headline(verdict, target).split()) in flowing
        assert verdict["advice"] in flowing
        for model, loss in verdict["losses"].items():
            low, high = verdict["loss_intervals"][model]
            held_out = read_json(ROOT / f"metrics/{target}-{model}.json")["loss"]
            (row,) = re.findall(rf"│ {model} .*{re.escape(f'{loss:.5g}')}.*", TEXT)
            assert f"{low:.5g} to {high:.5g}" in row
            assert f"{held_out:.5g}" in row


def test_calibrations_figures_are_those_of_its_table() -> None:
    table = pd.read_csv(ROOT / "docs/calibration/calibration.csv")
    null = table[table["truth"].isin(["linear", "noise"])]
    assert f"{null['simulations'].sum():,} tables" in " ".join(TEXT.split())
    assert not null["rate"].any()
    curve = table[(table["simulations"] == 300) & (table["rows"] == 100) & (table["rate"].round(2) == 0.64)]
    assert len(curve) == 1
    assert "300 tables of 100 rows with a strong curve it found 64 %" in " ".join(TEXT.split())


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert len(links) > 5
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert [link for link in links if link not in tracked] == []
