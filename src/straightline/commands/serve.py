"""`straightline serve`: predicts over HTTP with the champion model of a target, on this machine only."""

import os
import shutil
from pathlib import Path

from straightline.runtime.backend import import_mlflow
from straightline.runtime.terminal import say

import_mlflow()

import uvicorn
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME

from straightline.config.settings import chosen_target, load
from straightline.errors import UserError
from straightline.serving import mlmodel
from straightline.serving.guard import TOKEN, require_token
from straightline.tracking import registry, store

GRACE = 3  # Seconds that requests have to end in when the server is asked to end.


def run(root: Path, target: str | None, port: int, with_token: bool) -> None:
    """Serve the champion of `target` on the loopback address until the process is interrupted.

    Raises UserError if there is no champion, or if its files are not those that were registered.
    """
    config = load(root / "params.yaml")
    name = registry.registered_name(config.data.path, chosen_target(config.targets, target))
    os.environ |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    with store.opened(root) as (client, _):
        champion = registry.find_champion(client, name)
        if champion is None:
            raise UserError(f"serve: {name} has no champion yet; run `straightline track` first")
        folder = _fetched(root, champion)
    address = f"http://127.0.0.1:{port}/invocations"
    say(f"serving {name} {champion.version} ({champion.tags['model']}) at {address}")
    if with_token or os.environ.get(TOKEN):
        say(f"every request needs the header `Authorization: Bearer {require_token()}`")

    from straightline.serving.scoring_app import create_app

    uvicorn.run(create_app(folder), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=GRACE)


def _fetched(root: Path, champion: ModelVersion) -> Path:
    """Return a private copy of the champion's files, whose digest is the one in the registry."""
    folder = root / ".straightline/serving" / f"{champion.name}-{champion.version}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    path = Path(download_artifacts(str(champion.source), dst_path=str(folder)))
    (path / REGISTERED_MODEL_META_FILE_NAME).unlink(missing_ok=True)  # MLflow adds it to each copy, and never reads it
    registered = champion.tags.get(registry.DIGEST)
    if registered is None:
        raise UserError(
            f"serve: {champion.name} {champion.version} was registered without a digest of all its files; "
            "delete its run in MLflow, then call `straightline track`"
        )
    if (digest := mlmodel.digest_of(path)) != registered:
        raise UserError(
            f"{path}: the digest of the model's files is {digest[:12]}, but {champion.name} {champion.version} was "
            f"registered with {registered[:12]}; a model that was changed is not served"
        )
    mlmodel.require_ours(path)
    return path
