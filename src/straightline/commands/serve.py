"""`straightline serve`: MLflow's server predicts with the champion model of a target, on this machine only."""

import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from straightline.runtime.backend import import_mlflow

import_mlflow()

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from straightline.config.settings import chosen_target, load
from straightline.errors import UserError
from straightline.serving import mlmodel
from straightline.serving.prediction import DESCRIPTION, read_description
from straightline.tracking import registry, store


def run(root: Path, target: str | None, port: int) -> NoReturn:
    """Replace this process by a server for the champion of `target`, on the loopback address.

    Raises UserError if there is no champion, or if its files were changed after it was registered.
    """
    config = load(root / "params.yaml")
    name = registry.registered_name(config.data.path, chosen_target(config.targets, target))
    with store.opened(root) as (client, _):
        champion = registry.find_champion(client, name)
        if champion is None:
            raise UserError(f"serve: {name} has no champion yet; run `straightline track` first")
        folder = _fetched(root, champion)
    print(f"serving {name} {champion.version} ({champion.tags['model']}) at http://127.0.0.1:{port}/invocations")
    sys.stdout.flush()
    os.environ |= {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(folder), "--env-manager", "local"]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port)])


def _fetched(root: Path, champion: ModelVersion) -> Path:
    folder = root / ".straightline/serving" / f"{champion.name}-{champion.version}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = Path(download_artifacts(f"models:/{champion.name}/{champion.version}", dst_path=str(folder)))
    mlmodel.require_ours(path)
    digest = read_description(next(path.rglob(DESCRIPTION))).digest
    if digest != champion.tags.get("digest"):
        raise UserError(
            f"{path}: the model's digest is {digest[:12]}, but {champion.name} {champion.version} was registered with "
            f"{str(champion.tags.get('digest'))[:12]}; a model that was changed is not served"
        )
    return path
