"""`tracking.live`: losses in MLflow while a variant trains, in the run that `straightline track` completes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
import yaml

from straightline.results.files import load_results
from straightline.stages import train
from straightline.tracking import identity, publication

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


@pytest.fixture(scope="module", autouse=True)
def own_store() -> Iterator[None]:
    """No setting of the tests' environment leads to another store."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith(("DVC_", "MLFLOW_"))]:
            patched.delenv(name)
        yield


@pytest.fixture(scope="module")
def streaming(finished: Path, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose variants of one target were trained with `tracking.live`."""
    root = Path(shutil.copytree(finished, tmp_path_factory.mktemp("streaming") / "project"))
    shutil.copy(empty_store, root / "mlflow.db")
    before = identity.pipeline_hash(root)
    set_live(root)
    (root / "data/README.md").touch()
    assert identity.pipeline_hash(root) == before
    for model in ("regression", "neural"):
        train.run(root, "color", model)
    return root


@pytest.fixture
def streamed(streaming: Path, tmp_path: Path) -> Path:
    """A copy of `streaming` that knows its own store as the one that was streamed to."""
    root = Path(shutil.copytree(streaming, tmp_path / "project"))
    for note in (root / ".straightline/live").iterdir():
        note.write_text(note.read_text().replace(str(streaming), str(root)))
    return root


@pytest.mark.slow
def test_the_streamed_runs_are_completed_and_none_is_added(streamed: Path) -> None:
    known = dict(rows(streamed, "SELECT name, run_uuid FROM runs"))
    assert sorted(known) == ["color / neural", "color / regression"]
    results = load_results(streamed)
    for name, run in known.items():
        history = results.variants["color", name.removeprefix("color / ")].history
        assert rows(streamed, METRICS, run) == logged(history)
    publication.publish(results)
    found = dict(rows(streamed, "SELECT name, run_uuid FROM runs"))
    assert len(rows(streamed, "SELECT 1 FROM runs")) == len(found) == 7  # a pipeline, four variants, two references
    assert {name: found[name] for name in known} == known
    assert set(rows(streamed, "SELECT DISTINCT status FROM runs")) == {("FINISHED",)}
    parents = rows(streamed, "SELECT DISTINCT value FROM tags WHERE key = 'mlflow.parentRunId'")
    assert len(parents) == 1

    # Published from the files alone, the same runs have the same values.
    alone = Path(shutil.copytree(streamed, streamed.parent / "alone", symlinks=True))
    (alone / "mlflow.db").unlink()
    shutil.rmtree(alone / ".straightline")
    publication.publish(load_results(alone))
    query = """SELECT runs.name, metrics.key, step, value FROM metrics JOIN runs ON runs.run_uuid = metrics.run_uuid
        WHERE metrics.key != 'train_seconds' ORDER BY 1, 2, 3, 4"""
    assert rows(alone, query) == rows(streamed, query)
    latest = query.replace("FROM metrics", "FROM latest_metrics metrics")
    assert rows(alone, latest) == rows(streamed, latest)


@pytest.mark.slow
def test_a_run_that_was_never_completed_is_killed_by_its_repetition(streamed: Path) -> None:
    """As if DVC had been killed after the training, so that it trains again."""
    query = "SELECT status FROM runs WHERE name = 'color / regression' ORDER BY start_time"
    for expected in (["KILLED", "FINISHED"], ["KILLED", "KILLED", "FINISHED"]):
        train.run(streamed, "color", "regression")
        assert [status for (status,) in rows(streamed, query)] == expected
    publication.publish(load_results(streamed))
    train.run(streamed, "color", "regression")  # the completed one keeps its status
    assert [status for (status,) in rows(streamed, query)] == ["KILLED", "KILLED", "FINISHED", "FINISHED"]


@pytest.mark.slow
def test_a_stream_of_other_results_is_not_taken(streamed: Path) -> None:
    history = streamed / "runs/color/neural/history.csv"
    history.write_text(history.read_text().replace("0.", "0.0", 1))
    publication.publish(load_results(streamed))
    names = [name for (name,) in rows(streamed, "SELECT name FROM runs")]
    assert (names.count("color / neural"), names.count("color / regression")) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_losses_are_there_while_it_trains_and_its_end_is_told(project: Path, empty_store: Path, number: int) -> None:
    set_live(project, epochs=100_000, patience=100_000)
    shutil.copy(empty_store, project / "mlflow.db")
    words = [sys.executable, "-m", "straightline.stages.train", "color", "neural"]
    query = "SELECT COUNT(DISTINCT step) FROM metrics WHERE key = 'val_loss'"
    with subprocess.Popen(words, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        seen: list[int] = []
        while len(seen) < 2 and time.monotonic() < end and process.poll() is None:
            time.sleep(0.3)
            found = rows(project, query)[0][0] if is_made(project) else 0
            if found > (seen or [0])[-1]:
                seen.append(found)
        process.send_signal(number)
    assert len(seen) == 2
    while time.monotonic() < end and rows(project, "SELECT status FROM runs") == [("RUNNING",)]:
        time.sleep(0.3)
    assert rows(project, "SELECT status FROM runs") == [("KILLED",)]


def is_made(root: Path) -> bool:
    """Return whether MLflow's store has a run, and so all of its tables and columns."""
    if not (root / "mlflow.db").exists() or not rows(root, "SELECT 1 FROM sqlite_master WHERE name = 'runs'"):
        return False
    return bool(rows(root, "SELECT 1 FROM runs"))


def test_a_store_that_cannot_be_used_costs_the_view_only(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/mlflow.db")
    set_live(project)
    known = (project / "runs/color/neural/weights.json").read_bytes()
    train.run(project, "color", "neural")
    assert "train: not streamed: MLflow's store sqlite:////proc/mlflow.db cannot be used" in capsys.readouterr().out
    assert (project / "runs/color/neural/weights.json").read_bytes() == known
