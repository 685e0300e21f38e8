"""Hundreds of runs, or thousands of epochs, in one transaction where MLflow's store is a database.

MLflow's client takes 30 SQL statements a run for what is one row and a few of params and metrics (docs/log.md).
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from straightline.runtime.backend import import_mlflow

import_mlflow()

import sqlalchemy
from mlflow.entities import Metric
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import append_to_uri_path

from straightline.tracking import store

BATCH = 1000  # metrics that MLflow takes in one call


@dataclass(frozen=True)
class FinishedRun:
    """A run and how it ended, `status` in MLflow's words; `metrics` have one value each."""

    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]


def publish_runs(client: MlflowClient, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Publish `runs`: all of them or none where the store is a database, one after another where it is a server."""
    tracking_store = client._tracking_client.store
    if isinstance(tracking_store, SqlAlchemyStore):
        insert(tracking_store, experiment, runs)
    else:
        call(client, experiment, runs)


def call(client: MlflowClient, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Publish `runs` by MLflow's client, whatever the store is."""
    for own in runs:
        run = client.create_run(experiment, tags=dict(own.tags), run_name=own.name).info.run_id
        with store.closing(client, run, own.status):
            metrics = [Metric(key, value, 0, 0) for key, value in own.metrics.items()]
            client.log_batch(run, params=store.params(own.params), metrics=metrics)


def publish_metrics(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    """Log finite `metrics` of a run that has none of their keys yet."""
    tracking_store = client._tracking_client.store
    if isinstance(tracking_store, SqlAlchemyStore):
        with tracking_store.ManagedSessionMaker(read_only=False) as session:
            session.execute(sqlalchemy.insert(SqlMetric), [_measured(run, one) for one in metrics])
            latest = {one.key: one for one in sorted(metrics, key=lambda one: (one.step, one.timestamp, one.value))}
            session.execute(sqlalchemy.insert(SqlLatestMetric), [_measured(run, one) for one in latest.values()])
    else:
        log_metrics(client, run, metrics)


def log_metrics(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    """Log `metrics` by MLflow's client, whatever the store is and the run has."""
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])


def insert(tracking_store: SqlAlchemyStore, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Add to a database the rows that `call` would."""
    location = tracking_store.get_experiment(experiment).artifact_location  # type: ignore[no-untyped-call]
    now = int(time.time() * 1000)
    rows: dict[type, list[dict[str, Any]]] = {SqlRun: [], SqlTag: [], SqlParam: [], SqlMetric: [], SqlLatestMetric: []}
    for own in runs:
        run = uuid.uuid4().hex
        key = {"run_uuid": run}
        place = append_to_uri_path(location, run, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME)  # type: ignore[no-untyped-call]
        rows[SqlRun].append(
            key
            | {"name": own.name, "status": own.status, "experiment_id": int(experiment), "artifact_uri": place}
            | {"start_time": now, "end_time": now, "user_id": "unknown", "source_type": "UNKNOWN"}
            | dict.fromkeys(("source_name", "source_version", "entry_point_name"), "")
        )
        tags = {**own.tags, "mlflow.runName": own.name}
        rows[SqlTag] += [key | {"key": name, "value": value} for name, value in tags.items()]
        rows[SqlParam] += [key | {"key": one.key, "value": one.value} for one in store.params(own.params)]
        measured = [_measured(run, Metric(name, value, 0, 0)) for name, value in own.metrics.items()]
        rows[SqlMetric] += measured
        rows[SqlLatestMetric] += measured
    with tracking_store.ManagedSessionMaker(read_only=False) as session:
        for table, values in rows.items():
            if values:
                session.execute(sqlalchemy.insert(table), values)


def _measured(run: str, metric: Metric) -> dict[str, Any]:
    place = {"run_uuid": run, "key": metric.key, "step": metric.step, "timestamp": metric.timestamp}
    return place | {"value": metric.value}
