"""`tracking.live`: losses in MLflow while a variant trains, in the run that `straightline track` completes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import yaml

from straightline import identity, tracking
from straightline.results import load_results
from straightline.stages import train

METRICS = "SELECT key, step, value FROM metrics WHERE run_uuid = ? AND key IN ('loss', 'val_loss') ORDER BY key, step"


def rows(root: Path, query: str, *values: str) -> list[tuple]:
    with closing(sqlite3.connect(root / "mlflow.db", timeout=60)) as connection:
        return connection.execute(query, values).fetchall()


def set_live(root: Path, **fit: object) -> None:
    path = root / "params.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(values | {"tracking": {"live": True}, "fit": values["fit"] | fit}, sort_keys=False))


def logged(history: pd.DataFrame) -> list[tuple]:
    """Return what the table metrics should hold of history.csv."""
    names = [name for name in ("loss", "val_loss") if history[name].notna().all()]
    return [
        (name, epoch, value) for name in names for epoch, value in zip(history["epoch"], history[name], strict=True)
    ]


@pytest.fixture
def untracked(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    return project


def test_the_streamed_runs_are_completed_and_none_is_added(untracked: Path) -> None:
    before = identity.pipeline_hash(untracked)
    set_live(untracked)
    assert identity.pipeline_hash(untracked) == before
    for model in ("regression", "neural"):
        train.run(untracked, "color", model)
    streamed = dict(rows(untracked, "SELECT name, run_uuid FROM runs"))
    assert sorted(streamed) == ["color / neural", "color / regression"]
    results = load_results(untracked)
    for name, run in streamed.items():
        history = results.variants["color", name.removeprefix("color / ")].history
        assert rows(untracked, METRICS, run) == logged(history)
    tracking.publish(results)
    found = dict(rows(untracked, "SELECT name, run_uuid FROM runs"))
    assert len(rows(untracked, "SELECT 1 FROM runs")) == len(found) == 5
    assert {name: found[name] for name in streamed} == streamed
    assert set(rows(untracked, "SELECT DISTINCT status FROM runs")) == {("FINISHED",)}
    parents = rows(untracked, "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'")
    assert len(parents) == 1

    # Published from the files alone, the same runs have the same values.
    alone = Path(shutil.copytree(untracked, untracked.parent / "alone", symlinks=True))
    (alone / "mlflow.db").unlink()
    shutil.rmtree(alone / ".straightline")
    tracking.publish(load_results(alone))
    query = """SELECT runs.name, metrics.key, step, value FROM metrics JOIN runs ON runs.run_uuid = metrics.run_uuid
        WHERE metrics.key != 'train_seconds' ORDER BY 1, 2, 3, 4"""
    assert rows(alone, query) == rows(untracked, query)
    latest = query.replace("FROM metrics", "FROM latest_metrics metrics")
    assert rows(alone, latest) == rows(untracked, latest)


def test_a_stream_of_other_results_is_not_taken(untracked: Path) -> None:
    set_live(untracked)
    train.run(untracked, "color", "neural")
    history = untracked / "runs/color/neural/history.csv"
    history.write_text(history.read_text().replace("0.", "0.0", 1))
    tracking.publish(load_results(untracked))
    names = [name for (name,) in rows(untracked, "SELECT name FROM runs")]
    assert names.count("color / neural") == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_losses_are_there_while_it_trains_and_its_end_is_told(untracked: Path, number: int) -> None:
    set_live(untracked, epochs=100_000, patience=100_000)
    words = [sys.executable, "-m", "straightline.stages.train", "color", "neural"]
    query = "SELECT COUNT(DISTINCT step) FROM metrics WHERE key = 'val_loss'"
    with subprocess.Popen(words, cwd=untracked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        seen: list[int] = []
        while len(seen) < 3 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.3)
            found = rows(untracked, query)[0][0] if is_made(untracked) else 0
            if found > (seen or [0])[-1]:
                seen.append(found)
        process.send_signal(number)
    assert len(seen) == 3
    while time.monotonic() < end and rows(untracked, "SELECT status FROM runs") == [("RUNNING",)]:
        time.sleep(0.3)
    assert rows(untracked, "SELECT status FROM runs") == [("KILLED",)]


def is_made(root: Path) -> bool:
    """Return whether MLflow's store has a run, and so all of its tables and columns."""
    if not (root / "mlflow.db").exists() or not rows(root, "SELECT 1 FROM sqlite_master WHERE name = 'runs'"):
        return False
    return bool(rows(root, "SELECT 1 FROM runs"))


def test_a_store_that_cannot_be_used_costs_the_view_only(
    untracked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/mlflow.db")
    set_live(untracked)
    known = (untracked / "runs/color/neural/weights.json").read_bytes()
    train.run(untracked, "color", "neural")
    assert "train: not streamed: MLflow's store sqlite:////proc/mlflow.db cannot be used" in capsys.readouterr().out
    assert (untracked / "runs/color/neural/weights.json").read_bytes() == known
