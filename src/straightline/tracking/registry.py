"""The model registry: registers the model that the verdict chose, and decides whether it becomes the champion."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from straightline.runtime.backend import import_mlflow

import_mlflow()

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from straightline.tracking.identity import PIPELINE_TAG

CHAMPION = "champion"  # the alias of the version that is served
LOSS, REASON = "held_out_loss", "promotion"  # tags of a version
DIGEST = "files_digest"  # tag of a version: the digest of all of its files, which no artifact store can change


def registered_name(data: str, target: str) -> str:
    """Return the registered name of the model of `target`; it contains the name of the data file, not its folder."""
    return re.sub(r"[^\w.-]", "_", f"{Path(data).stem}-{target}")


@dataclass(frozen=True)
class Candidate:
    """A version to register.

    `loss` is the loss on the held-out rows, or None if there are none. `margin` is the margin of the verdict.
    """

    name: str
    model_uri: str
    run: str
    tags: Mapping[str, str]
    loss: float | None
    margin: float


def promotion(loss: float | None, margin: float, champion: Mapping[str, str] | None) -> tuple[bool, str]:
    """Return whether a model becomes the champion, and the reason; `champion` are the tags of the present one."""
    if champion is None:
        return True, "the first version"
    if loss is None or LOSS not in champion:
        return False, "not promoted: a comparison with the champion needs held-out losses of both"
    before = float(champion[LOSS])
    comparison = f"held-out loss {loss:.6g}, the champion's {before:.6g}, margin {100 * margin:.3g} %"
    if loss > before * (1 + margin):
        return False, f"not promoted: {comparison}"
    return True, comparison


def register(client: MlflowClient, candidate: Candidate) -> str:
    """Register a version and promote it if it is not worse than the champion; return a message on the outcome."""
    name = candidate.name
    champion = find_champion(client, name)
    if champion is None and not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    is_better, reason = promotion(candidate.loss, candidate.margin, None if champion is None else champion.tags)
    tags = {**candidate.tags, REASON: reason}
    if candidate.loss is not None:
        tags[LOSS] = repr(candidate.loss)
    model = candidate.model_uri.removeprefix("models:/")
    version = client.create_model_version(name, candidate.model_uri, candidate.run, tags=tags, model_id=model).version
    if is_better:
        client.set_registered_model_alias(name, CHAMPION, version)
    return f"{name} {version}: {'champion' if is_better else 'registered'} ({reason})"


def find_champion(client: MlflowClient, name: str) -> ModelVersion | None:
    """Return the champion of `name`, the version that is served, if there is one."""
    for registered in client.search_registered_models(f"name = '{name}'"):
        if CHAMPION in registered.aliases:
            return client.get_model_version(name, registered.aliases[CHAMPION])
    return None


def forget(client: MlflowClient, name: str, pipeline: str) -> None:
    """Delete the versions of `name` that an interrupted publication of `pipeline` left behind."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(PIPELINE_TAG) == pipeline:
            client.delete_model_version(name, version.version)
