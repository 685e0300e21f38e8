"""`straightline serve`: predicts over HTTP with the champion model of a target, on this machine only."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from straightline.runtime.backend import import_mlflow
from straightline.runtime.terminal import say

import_mlflow()

import uvicorn
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME

from straightline.config.settings import Config, chosen_target, load
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
    os.environ |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    with store.opened(root) as (client, _):
        champions = {key: registry.find_champion(client, _name(config, key)) for key in config.targets}
        champion = _chosen(config, champions, target)
        folder = _fetched(root, champion)
    address = f"http://127.0.0.1:{port}/invocations"
    say(f"serving {champion.name} {champion.version} ({champion.tags['model']}) at {address}")
    if with_token or os.environ.get(TOKEN):
        say(f"every request needs the header `Authorization: Bearer {require_token()}`")

    from straightline.serving.scoring_app import create_app

    uvicorn.run(create_app(folder), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=GRACE)


def _name(config: Config, target: str) -> str:
    return registry.registered_name(config.data.path, target)


def _chosen(config: Config, champions: Mapping[str, ModelVersion | None], target: str | None) -> ModelVersion:
    """Return the champion of `target`. Raises UserError, which names the targets that can be served, if none is."""
    served = [key for key, champion in champions.items() if champion is not None]
    can = f"can be served: {', '.join(served) or 'none yet, run `straightline track` first'}"
    try:
        key = chosen_target(config.targets, target)
    except UserError as error:
        raise UserError(f"{error}; {can}") from None
    if (champion := champions[key]) is None:
        raise UserError(f"serve: {_name(config, key)} has no champion yet; run `straightline track` first; {can}")
    return champion


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
