"""The model registry: registers the model that the verdict chose, and decides whether it becomes the champion."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from straightline.runtime.backend import import_mlflow

import_mlflow()

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from straightline.tracking.identity import PIPELINE_TAG

CHAMPION = "champion"  # the alias of the version that is served
LOSS, REASON = "held_out_loss", "promotion"  # tags of a version
DIGEST = "files_digest"  # tag of a version: the digest of all of its files, which no artifact store can change
FAMILY = "family"  # tag of a version: the family of its target
MODEL = "model_digest"  # tag of a version: the digest of the model itself, without the names that MLflow gives it


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


def promotion(
    loss: float | None, margin: float, champion: Mapping[str, str] | None, family: str | None = None
) -> tuple[bool, str]:
    """Return whether a model becomes the champion, and the reason; `champion` are the tags of the present one.

    Losses of different families cannot be compared. A version without the tag `family` is of the same family.
    """
    if champion is None:
        return True, "the first version"
    if (other := champion.get(FAMILY, family)) != family:
        return False, f"not promoted: losses of {family} cannot be compared with those of the champion, {other}"
    if loss is None or LOSS not in champion:
        return False, "not promoted: a comparison with the champion needs held-out losses of both"
    before = float(champion[LOSS])
    comparison = f"held-out loss {loss:.6g}, the champion's {before:.6g}, margin {100 * margin:.3g} %"
    if loss > before * (1 + margin):
        return False, f"not promoted: {comparison}"
    return True, comparison


def register(client: MlflowClient, candidate: Candidate) -> str:
    """Register a version and promote it if it is not worse than the champion; return a message on the outcome.

    A model that has a version already, with the same held-out loss, gets no other.
    """
    name = candidate.name
    champion = find_champion(client, name)
    if champion is None and not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    loss = {} if candidate.loss is None else {LOSS: repr(candidate.loss)}
    known = _version_of(client, name, candidate.tags.get(MODEL), loss.get(LOSS))
    if known is not None and champion is not None and known.version == champion.version:
        return f"{name} {known.version}: champion (as before; the model is the same)"
    tags_of_champion = None if champion is None else champion.tags
    is_better, reason = promotion(candidate.loss, candidate.margin, tags_of_champion, candidate.tags.get(FAMILY))
    if known is None:
        tags = {**candidate.tags, REASON: reason, **loss}
        model = candidate.model_uri.removeprefix("models:/")
        known = client.create_model_version(name, candidate.model_uri, candidate.run, tags=tags, model_id=model)
    else:
        client.set_model_version_tag(name, known.version, REASON, reason)
    if is_better:
        client.set_registered_model_alias(name, CHAMPION, known.version)
    return f"{name} {known.version}: {'champion' if is_better else 'registered'} ({reason})"


def _version_of(client: MlflowClient, name: str, model: str | None, loss: str | None) -> ModelVersion | None:
    """Return the newest version of `name` with this digest of the model and this held-out loss, if there is one."""
    versions = sorted(client.search_model_versions(f"name = '{name}'"), key=lambda version: -int(version.version))
    same = (version for version in versions if (version.tags.get(MODEL), version.tags.get(LOSS)) == (model, loss))
    return next((version for version in same if _has_model(client, version)), None) if model is not None else None


def _has_model(client: MlflowClient, version: ModelVersion) -> bool:
    """Return whether nobody deleted the model that a version stands for."""
    try:
        client.get_logged_model(str(version.source).removeprefix("models:/"))
    except MlflowException:
        return False
    return True


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
