"""The runs of a sweep in MLflow: one for each config, as MLflow's client would write it, and none left running."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from straightline.commands import sweep as sweep_command
from straightline.errors import UserError
from straightline.sweeps.trainer import Trainer
from tests.sweeps.cases import OWN, QUICK, invoke


def runs(folder: Path) -> pd.DataFrame:
    """Return what MLflow's own search finds."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    try:
        return pd.DataFrame(mlflow.search_runs(search_all_experiments=True))
    finally:
        mlflow.set_tracking_uri("")


def test_mlflow_has_a_run_a_config_below_the_sweeps(swept: Path) -> None:
    here, output = swept, (swept / "output.txt").read_text()
    assert "sweep: 6 configs published to sqlite:///" in output
    shown, table = runs(here), pd.read_csv(here / "sweeps/sweep.csv")
    (parent,) = shown.loc[shown["tags.straightline.role"] == "sweep", "run_id"]
    configs = shown[shown["tags.mlflow.parentRunId"] == parent].set_index("tags.mlflow.runName")
    assert len(configs) == 6
    for row in table.to_dict("records"):
        own = configs.loc[f"config {row['trial']}"]
        assert own["status"] == ("FAILED" if np.isnan(row["loss"]) else "FINISHED")
        assert float(own["params.models.neural.learning_rate"]) == row["models.neural.learning_rate"]
        np.testing.assert_equal(own["metrics.loss"], row["loss"])
    verdict = json.loads((here / "sweeps/sweep.json").read_text())
    (whole,) = shown[shown["run_id"] == parent].to_dict("records")
    assert whole["status"] == "FINISHED"
    assert whole["metrics.relative_gain"] == verdict["relative_gain"]
    assert whole["metrics.held_out_loss_neural"] == verdict["held_out"]["neural"]
    assert (here / "sweeps/sweep.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_sweep_ends_with_what_was_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_command, "BATCH", 2)
    scored = Trainer.scored
    calls: list[int] = []

    def interrupted(self: Trainer, configs: Any, *rest: Any) -> Any:
        calls.append(len(configs))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scored(self, configs, *rest)

    monkeypatch.setattr(Trainer, "scored", interrupted)
    found = invoke("sweep", "models.neural.learning_rate=0.003,0.03,0.1", "fit.seed=0,1", *QUICK, *OWN[:-1])
    assert isinstance(found.exception, UserError)
    assert "sweep: interrupted; the results are in sweeps/sweep.csv" in str(found.exception)
    assert len(pd.read_csv(here / "sweeps/sweep.csv")) == 2
    assert not (here / "sweeps/sweep.json").exists()
    shown = runs(here)
    assert shown["status"].value_counts().to_dict() == {"FINISHED": 2, "KILLED": 1}


def rows_of(database: Path) -> dict[str, list[tuple]]:
    """Return every table but those that MLflow has for itself, without what is drawn by chance or by the clock."""
    with closing(sqlite3.connect(database)) as connection:
        names = ("runs", "tags", "params", "metrics", "latest_metrics")
        tables = {name: pd.read_sql(f"SELECT * FROM {name}", connection) for name in names}
    own = dict(zip(tables["runs"]["run_uuid"], tables["runs"]["name"], strict=True))
    text = {
        name: table.replace(own).drop(columns=["start_time", "end_time"], errors="ignore")
        for name, table in tables.items()
    }
    text["runs"]["artifact_uri"] = [
        uri.replace(run, own[run])
        for uri, run in zip(tables["runs"]["artifact_uri"], tables["runs"]["run_uuid"], strict=True)
    ]
    return {name: sorted(map(str, table.to_dict("records"))) for name, table in text.items()}


def test_finished_runs_are_the_rows_that_mlflows_client_writes(tmp_path: Path) -> None:
    import mlflow
    from mlflow.entities import Metric

    from straightline.tracking import bulk

    runs = [
        bulk.FinishedRun("config 0", "FINISHED", {"role": "config"}, {"a.b": 1, "c": [8]}, {"loss": 0.5, "n": 3.0}),
        bulk.FinishedRun("config 1", "FAILED", {"role": "config", "reason": "diverged"}, {"a.b": 2}, {}),
    ]
    for name, way in (("insert", bulk.publish_runs), ("call", bulk.call)):
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/{name}.db")
        way(client, client.create_experiment("one", artifact_location="file:///artifacts"), runs)
    epochs = [Metric(key, value, 0, step) for key in ("loss", "val_loss") for step, value in enumerate((3.0, 1.0, 2.0))]
    for name, log in (("insert", bulk.publish_metrics), ("call", lambda client, *of: client.log_batch(of[0], of[1]))):
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/{name}.db")
        (run,) = client.search_runs(["1"], "attributes.run_name = 'config 1'")
        log(client, run.info.run_id, epochs)
    inserted, called = rows_of(tmp_path / "insert.db"), rows_of(tmp_path / "call.db")
    assert inserted == called
    assert {name: len(rows) for name, rows in called.items()} == {
        "runs": 2,
        "tags": 5,
        "params": 3,
        "metrics": 8,
        "latest_metrics": 4,
    }


def statuses(folder: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as connection:
        return connection.execute("SELECT status, COUNT(*) FROM runs GROUP BY status ORDER BY status").fetchall()


@pytest.mark.slow
def test_a_killed_sweep_leaves_no_run_running(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["models.neural.learning_rate=0.003,0.03", "fit.seed=range(0,400)", *QUICK, *OWN[:-1]]
    with subprocess.Popen(
        [sys.executable, "-m", "straightline", "sweep", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as killed:
        assert killed.stdout is not None
        assert any(b" of 800 configs" in line for line in killed.stdout)
        assert "RUNNING" in dict(wait_for(lambda: statuses(here), lambda found: "RUNNING" in dict(found)))
        killed.kill()
    found = dict(wait_for(lambda: statuses(here), lambda found: "RUNNING" not in dict(found)))
    assert found["KILLED"] == 1
    assert 1 + 128 <= sum(found.values()) < 800


def wait_for(ask: Callable[[], Any], holds: Callable[[Any], bool], seconds: float = 60) -> Any:
    """Return the first answer that holds, or the last one."""
    end = time.monotonic() + seconds
    while not holds(answer := ask()) and time.monotonic() < end:
        time.sleep(0.1)
    return answer


@pytest.mark.slow
def test_a_store_that_cannot_be_used_is_said_after_what_was_found_is_kept(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/mlflow.db")
    found = invoke("sweep", "models.neural.learning_rate=0.003,0.03", *QUICK, *OWN[:-1])
    assert isinstance(found.exception, UserError)
    assert "MLflow's store sqlite:////proc/mlflow.db cannot be used" in str(found.exception)
    assert "the results are in sweeps/" in str(found.exception)
    assert (here / "sweeps/sweep.json").exists()
