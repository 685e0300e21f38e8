"""A sweep to MLflow: a parent run the sweep, a child a config, so that its views compare params and losses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from straightline import store  # first: it sets what MLflow reads when it is imported

# isort: split
import pandas as pd
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from straightline.identity import ROLE_TAG, store_uri

MEASURED = ("loss", "between_folds", "epochs", "steps")


def publish(
    root: Path, name: str, ranked: pd.DataFrame, fixed: Mapping[str, Any], found: Mapping[str, Any] | None
) -> str:
    """Publish the configs of `ranked`, the settings `fixed` that all share, and the winner's verdict `found`.

    Without a verdict the sweep was interrupted, and its run is KILLED. Configs that failed are FAILED, with the reason
    in a tag. Returns a line that says where they are. Raises UserError where the store cannot be reached or written.
    """
    with store.opened(root) as (client, experiment):
        tags = {ROLE_TAG: "sweep"} | store.environment_tags(root)
        parent = client.create_run(experiment, tags=tags, run_name=name).info.run_id
        status = "FAILED"
        try:
            client.log_batch(parent, params=store.params(fixed), metrics=_verdict_metrics(found))
            for suffix in ("csv", "json", "png"):
                if (path := root / f"sweeps/{name}.{suffix}").exists():
                    client.log_artifact(parent, str(path))
            for row in ranked.to_dict("records"):
                _publish_config(client, experiment, parent, {str(key): value for key, value in row.items()})
            status = "KILLED" if found is None else "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            client.set_terminated(parent, status)
    return f"sweep: {len(ranked):,} configs published to {store_uri(root)}"


def _publish_config(client: MlflowClient, experiment: str, parent: str, row: Mapping[str, Any]) -> None:
    failed = pd.isna(row["loss"])
    tags = {"mlflow.parentRunId": parent, ROLE_TAG: "config"} | ({"reason": str(row["reason"])} if failed else {})
    run = client.create_run(experiment, tags=tags, run_name=f"config {row['trial']}").info.run_id
    params = store.params({key: value for key, value in row.items() if "." in key})
    metrics = [] if failed else [Metric(key, float(row[key]), 0, 0) for key in MEASURED]
    client.log_batch(run, params=params, metrics=metrics)
    client.set_terminated(run, "FAILED" if failed else "FINISHED")


def _verdict_metrics(found: Mapping[str, Any] | None) -> list[Metric]:
    if found is None:
        return []
    values = {"relative_gain": found["relative_gain"], "selected_from": found["selected_from"]}
    values |= {f"held_out_loss_{model}": loss for model, loss in found["held_out"].items()}
    return [Metric(key, float(value), 0, 0) for key, value in values.items()]
