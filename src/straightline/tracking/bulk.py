"""Publishes hundreds of runs, or thousands of epochs, in one transaction if MLflow's store is a database.

MLflow's client needs 30 SQL statements for each run, although a run is only one row and a few rows of params and
metrics (docs/log.md).
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

BATCH = 1000  # most metrics that MLflow accepts in one call


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended with one of MLflow's values of `status`; each of its `metrics` has a single value."""

    name: str
    status: str
    tags: Mapping[str, str]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]


def publish_runs(client: MlflowClient, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Publish `runs`: all or none of them if the store is a database, one after another if it is a server."""
    tracking_store = client._tracking_client.store
    if isinstance(tracking_store, SqlAlchemyStore):
        insert(tracking_store, experiment, runs)
    else:
        call(client, experiment, runs)


def call(client: MlflowClient, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Publish `runs` with MLflow's client, which works for every store."""
    for run in runs:
        run_id = client.create_run(experiment, tags=dict(run.tags), run_name=run.name).info.run_id
        with store.closing(client, run_id, run.status):
            metrics = [Metric(key, value, 0, 0) for key, value in run.metrics.items()]
            client.log_batch(run_id, params=store.params(run.params), metrics=metrics)


def publish_metrics(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    """Log finite `metrics` of a run that does not have metrics with these keys yet."""
    tracking_store = client._tracking_client.store
    if isinstance(tracking_store, SqlAlchemyStore):
        with tracking_store.ManagedSessionMaker(read_only=False) as session:
            session.execute(sqlalchemy.insert(SqlMetric), [_metric_row(run, metric) for metric in metrics])
            ascending = sorted(metrics, key=lambda metric: (metric.step, metric.timestamp, metric.value))
            latest = {metric.key: metric for metric in ascending}
            session.execute(sqlalchemy.insert(SqlLatestMetric), [_metric_row(run, each) for each in latest.values()])
    else:
        log_metrics(client, run, metrics)


def log_metrics(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    """Log `metrics` with MLflow's client, which works for every store and for runs that have metrics already."""
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])


def insert(tracking_store: SqlAlchemyStore, experiment: str, runs: Sequence[FinishedRun]) -> None:
    """Add to the database the same rows that `call` would add."""
    location = tracking_store.get_experiment(experiment).artifact_location
    now = int(time.time() * 1000)
    rows: dict[type, list[dict[str, Any]]] = {SqlRun: [], SqlTag: [], SqlParam: [], SqlMetric: [], SqlLatestMetric: []}
    for run in runs:
        run_id = uuid.uuid4().hex
        key = {"run_uuid": run_id}
        uri = append_to_uri_path(location, run_id, SqlAlchemyStore.ARTIFACTS_FOLDER_NAME)
        rows[SqlRun].append(
            key
            | {"name": run.name, "status": run.status, "experiment_id": int(experiment), "artifact_uri": uri}
            | {"start_time": now, "end_time": now, "user_id": "unknown", "source_type": "UNKNOWN"}
            | dict.fromkeys(("source_name", "source_version", "entry_point_name"), "")
        )
        tags = {**run.tags, "mlflow.runName": run.name}
        rows[SqlTag] += [key | {"key": name, "value": value} for name, value in tags.items()]
        rows[SqlParam] += [key | {"key": param.key, "value": param.value} for param in store.params(run.params)]
        metrics = [_metric_row(run_id, Metric(name, value, 0, 0)) for name, value in run.metrics.items()]
        rows[SqlMetric] += metrics
        rows[SqlLatestMetric] += metrics
    with tracking_store.ManagedSessionMaker(read_only=False) as session:
        for table, values in rows.items():
            if values:
                session.execute(sqlalchemy.insert(table), values)


def _metric_row(run: str, metric: Metric) -> dict[str, Any]:
    key = {"run_uuid": run, "key": metric.key, "step": metric.step, "timestamp": metric.timestamp}
    return key | {"value": metric.value}
