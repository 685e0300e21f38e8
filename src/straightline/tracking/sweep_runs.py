"""Publishes a sweep to MLflow: one parent run for the sweep, and a child run for each config.

MLflow's views can then compare the params and losses of the configs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from straightline.runtime.backend import import_mlflow

import_mlflow()

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from straightline.tracking import bulk, store
from straightline.tracking.bulk import FinishedRun
from straightline.tracking.identity import ROLE_TAG, shown_uri
from straightline.tracking.messages import Conclusion

MEASURED = ("loss", "between_folds", "epochs", "steps")


def publish(
    root: Path, name: str, fixed: Mapping[str, Any], messages: Iterator[Sequence[Mapping[str, Any]] | Conclusion]
) -> str:
    """Publish batches of configs until the conclusion of the sweep; return a message on the outcome.

    `fixed` are the settings that all configs share. If the messages end without a conclusion, the sweep has died, and
    its run is KILLED. A config that failed becomes a FAILED run, with the reason in a tag. Raises UserError if the
    store cannot be reached or written.
    """
    with store.opened(root, alone=False, later="the results are in sweeps/") as (client, experiment):
        tags = {ROLE_TAG: "sweep"} | store.environment_tags(root)
        parent = client.create_run(experiment, tags=tags, run_name=name).info.run_id
        status, published = "FAILED", 0
        try:
            client.log_batch(parent, params=store.params(fixed))
            status = "KILLED"
            for message in messages:
                if isinstance(message, Conclusion):
                    _publish_conclusion(client, parent, root, name, message)
                    status = message.status
                else:
                    bulk.publish_runs(client, experiment, [_run(parent, config) for config in message])
                    published += len(message)
        except BaseException:
            status = "FAILED"
            raise
        finally:
            client.set_terminated(parent, status)
    return f"sweep: {published:,} configs published to {shown_uri(root)}"


def _run(parent: str, config: Mapping[str, Any]) -> FinishedRun:
    failed = config["loss"] is None
    tags = {"mlflow.parentRunId": parent, ROLE_TAG: "config"} | ({"reason": str(config["reason"])} if failed else {})
    params = {key: value for key, value in config.items() if "." in key}
    metrics = {} if failed else {key: float(config[key]) for key in MEASURED}
    return FinishedRun(f"config {config['trial']}", "FAILED" if failed else "FINISHED", tags, params, metrics)


def _publish_conclusion(client: MlflowClient, parent: str, root: Path, name: str, conclusion: Conclusion) -> None:
    for suffix in ("csv", "json", "png"):
        if (path := root / f"sweeps/{name}.{suffix}").exists():
            client.log_artifact(parent, str(path))
    if conclusion.metrics is not None:
        client.log_batch(parent, metrics=[Metric(key, value, 0, 0) for key, value in conclusion.metrics.items()])
