"""The MLflow run that receives losses while a variant trains, and that `straightline track` completes later."""

import time
from collections.abc import Iterator
from pathlib import Path

from straightline.runtime.backend import import_mlflow

import_mlflow()

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from straightline.results.files import Variant
from straightline.runtime.artifacts import md5, read_json, write_json
from straightline.tracking import store
from straightline.tracking.identity import PIPELINE_TAG, ROLE_TAG, shown_uri
from straightline.tracking.messages import Finished, Losses


def publish(root: Path, target: str, model: str, messages: Iterator[Losses | Finished]) -> str:
    """Stream losses into a new run until the training has finished; return the id of the run.

    If the messages end before that, the run is KILLED. Otherwise a note below `root`/.straightline records the run for
    `run_of`. If an earlier run received the same losses and was never completed, since something killed the pipeline
    after it, that run becomes KILLED. Raises UserError if the store cannot be used.
    """
    with store.opened(root, alone=False, later="`straightline track` publishes the results") as (client, experiment):
        tags = {ROLE_TAG: "variant", "target": target, "model": model} | store.environment_tags(root)
        run = client.create_run(experiment, tags=tags, run_name=f"{target} / {model}").info.run_id
        status = "KILLED"
        try:
            for message in messages:
                if isinstance(message, Losses):
                    client.log_batch(run, metrics=_metrics(message))
                else:
                    repeated = _noted_run(client, root, (target, model), message.history)
                    if repeated is not None:
                        client.set_terminated(repeated, "KILLED")
                    write_json(
                        _note(root, target, model), {"store": shown_uri(root), "run": run, "history": message.history}
                    )
                    status = "FINISHED"
        finally:
            client.set_terminated(run, status)
    return run


def run_of(client: MlflowClient, root: Path, variant: Variant) -> str | None:
    """Return the run that received the losses of `variant`, or None.

    It is None if there is no such run, if it belongs to other results or another store, or if it is already part of a
    pipeline.
    """
    return _noted_run(client, root, (variant.target, variant.model), md5(variant.folder / "history.csv"))


def _noted_run(client: MlflowClient, root: Path, variant: tuple[str, str], history: str) -> str | None:
    note = _note(root, *variant)
    if not note.exists():
        return None
    noted = read_json(note)
    if noted["store"] != shown_uri(root) or noted["history"] != history:
        return None
    try:
        run = client.get_run(noted["run"])
    except MlflowException:
        return None
    is_free = run.info.lifecycle_stage == "active" and PIPELINE_TAG not in run.data.tags
    return str(noted["run"]) if is_free else None


def _note(root: Path, target: str, model: str) -> Path:
    return root / ".straightline/live" / f"{target}-{model}.json"


def _metrics(losses: Losses) -> list[Metric]:
    now = int(time.time() * 1000)
    series = {"loss": losses.loss} | ({} if losses.val_loss is None else {"val_loss": losses.val_loss})
    return [
        Metric(key, float(value), now, losses.first + epoch)
        for key, values in series.items()
        for epoch, value in enumerate(values, start=1)
    ]
