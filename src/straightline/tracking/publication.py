"""Publishes results to MLflow: one parent run for the pipeline, and a child run for each target and model."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from straightline.runtime.backend import import_mlflow

import_mlflow()

import mlflow
import numpy as np
import pandas as pd
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Metric, RunTag
from mlflow.tracking import MlflowClient

from straightline.comparison.verdict import Reference
from straightline.results.files import Results, Variant
from straightline.results.sentences import choice_sentences, growth_sentences, headline, ridge_sentences, ui_command
from straightline.runtime.artifacts import md5, read_parquet
from straightline.runtime.folders import TIMINGS
from straightline.serving import mlmodel
from straightline.serving.mlmodel import Logged
from straightline.serving.prediction import ARCHIVE
from straightline.tracking import bulk, live_runs, registry, store
from straightline.tracking.identity import PIPELINE_TAG, PROCESS_TAG, ROLE_TAG, pipeline_hash, shown_uri
from straightline.tracking.registry import Candidate


def publish(results: Results) -> str:
    """Publish `results` unless MLflow has them already; return a message on the outcome.

    Runs and versions that an interrupted publication of the same results left behind are deleted first. Raises
    UserError if the store cannot be reached or written.
    """
    identity = pipeline_hash(results.root)
    with store.opened(results.root) as (client, experiment):
        if _already_there(client, experiment, identity):
            return "track: already in MLflow"
        for target in results.verdicts:
            registry.forget(client, registry.registered_name(results.config.data.path, target), identity)
        registered = _publish(client, experiment, results, identity)
    published = f"track: {len(results.variants)} runs published to {shown_uri(results.root)}"
    message = f"{published}; look at them with `{ui_command(results.root)}`"
    return "\n".join([message, *(f"registry: {line}" for line in registered)])


def _already_there(client: MlflowClient, experiment: str, identity: str) -> bool:
    runs = client.search_runs([experiment], f"tags.`{PIPELINE_TAG}` = '{identity}'")
    if any(run.data.tags.get(ROLE_TAG) == "pipeline" and run.info.status == "FINISHED" for run in runs):
        return True
    for run in runs:
        client.delete_run(run.info.run_id)
    return False


def _publish(client: MlflowClient, experiment: str, results: Results, identity: str) -> list[str]:
    tags = {PIPELINE_TAG: identity} | store.environment_tags(results.root)
    name = ", ".join(f"{target}: {verdict.answer}" for target, verdict in results.verdicts.items())
    headlines = [
        headline(verdict, target, results.family_of(target).baseline_title(results.schema.targets[target]))
        for target, verdict in results.verdicts.items()
    ]
    note = {"mlflow.note.content": "\n\n".join(headlines)}
    parent = client.create_run(experiment, tags=tags | {ROLE_TAG: "pipeline"} | note, run_name=name).info.run_id
    datasets = _datasets(results)
    models: dict[tuple[str, str], tuple[str, Logged]] = {}
    with store.closing(client, parent):
        client.log_batch(parent, params=store.params(asdict(results.config)))
        gains = {f"{target}_relative_gain": verdict.relative_gain for target, verdict in results.verdicts.items()}
        client.log_batch(parent, metrics=[Metric(name, gain, 0, 0) for name, gain in gains.items()])
        client.log_artifact(parent, str(results.root / "params.yaml"))
        for folder in ("reports", "verdicts"):
            if (results.root / folder).is_dir():
                client.log_artifacts(parent, str(results.root / folder), folder)
        for variant in results.variants.values():
            child_tags = tags | _variant_tags(results, variant) | {"mlflow.parentRunId": parent}
            streamed = live_runs.run_of(client, results.root, variant)
            child = _run(client, experiment, variant, child_tags, streamed)
            with store.closing(client, child):
                _log_metrics(client, child, list(_metrics(results, variant)), streamed is not None)
                models[variant.target, variant.model] = child, _log_variant(client, child, results, variant, datasets)
        for target, verdict in results.verdicts.items():
            if verdict.reference is not None:
                _publish_reference(client, experiment, target, verdict.reference, tags | {"mlflow.parentRunId": parent})
        return [registry.register(client, candidate) for candidate in _candidates(results, models, tags)]


def _publish_reference(
    client: MlflowClient, experiment: str, target: str, reference: Reference, tags: Mapping[str, str]
) -> None:
    """Publish the loss of a model that is shown for orientation as a run without a model."""
    reference_tags = {**tags, ROLE_TAG: "reference", "target": target, "model": reference.model}
    run = client.create_run(experiment, tags=reference_tags, run_name=f"{target} / {reference.model}").info.run_id
    with store.closing(client, run):
        client.log_metric(run, "cross_validated_loss", reference.loss)


def _candidates(
    results: Results, models: Mapping[tuple[str, str], tuple[str, Logged]], tags: Mapping[str, str]
) -> Iterator[Candidate]:
    """Yield the model of each target that the verdict advises."""
    lock = results.root / "dvc.lock"
    for target, verdict in results.verdicts.items():
        model = verdict.advised
        variant = results.variants[target, model]
        run, logged = models[target, model]
        version_tags = {key: value for key, value in tags.items() if key != PROCESS_TAG}
        version_tags |= {"target": target, "model": model, "verdict": verdict.answer}
        version_tags |= {registry.DIGEST: logged.digest, registry.MODEL: logged.model}
        version_tags |= {registry.FAMILY: results.schema.targets[target].family}
        version_tags |= {"dvc.lock": md5(lock)} if lock.exists() else {}
        yield Candidate(
            name=registry.registered_name(results.config.data.path, target),
            model_uri=logged.uri,
            run=run,
            tags=version_tags,
            loss=variant.metrics.get("loss"),
            margin=verdict.margin,
        )


def _run(client: MlflowClient, experiment: str, variant: Variant, tags: Mapping[str, str], streamed: str | None) -> str:
    """Return a new run for `variant`, or the run `streamed`, which received its losses while it trained."""
    if streamed is None:
        name = f"{variant.target} / {variant.model}"
        return str(client.create_run(experiment, tags=dict(tags), run_name=name).info.run_id)
    client.log_batch(streamed, tags=[RunTag(key, value) for key, value in tags.items()])
    return streamed


def _log_metrics(client: MlflowClient, run: str, metrics: list[Metric], is_streamed: bool) -> None:
    if not is_streamed:
        bulk.publish_metrics(client, run, metrics)
        return
    known = {(key, metric.step) for key in ("loss", "val_loss") for metric in client.get_metric_history(run, key)}
    bulk.log_metrics(client, run, [metric for metric in metrics if (metric.key, metric.step) not in known])


def _log_variant(client: MlflowClient, run: str, results: Results, variant: Variant, datasets: list[Any]) -> Logged:
    config = results.config
    settings = {
        "target": asdict(config.targets[variant.target]),
        "model": asdict(config.models[variant.model]),
        "fit": asdict(config.fit),
        "folds": asdict(config.folds),
        "data": asdict(config.data),
    }
    client.log_batch(run, params=store.params(settings))
    client.log_artifacts(run, str(variant.folder), "files")
    if variant.coefficients is not None:
        client.log_table(run, variant.coefficients, "coefficients.json")
    client.log_table(run, _weight_table(variant), "weights.json")
    pictures = sorted((results.root / "reports").glob("*.png"))
    for picture in pictures:
        if picture.stem in ("losses", f"predictions-{variant.target}"):
            client.log_artifact(run, str(picture), "pictures")
    with mlflow.start_run(run_id=run):
        for dataset, context in datasets:
            mlflow.log_input(dataset, context=context)
        target, digest = results.schema.targets[variant.target], variant.weights["digest"]
        columns = [*results.schema.features, *target.offset_columns]
        rows = read_parquet(results.root / "data/train.parquet", columns=columns)
        return mlmodel.log(variant.folder / ARCHIVE, digest, target, results.schema.encoding, rows)


def _metrics(results: Results, variant: Variant) -> Iterator[Metric]:
    history = variant.history
    for name in ("loss", "val_loss"):
        for epoch, value in history.loc[history[name].notna(), ["epoch", name]].itertuples(index=False):
            yield Metric(name, float(value), 0, int(epoch))
    for step, value in enumerate(variant.fold_losses):
        yield Metric("fold_loss", float(value), 0, step)
    yield Metric("cross_validated_loss", results.verdicts[variant.target].losses[variant.model], 0, 0)
    for name, value in variant.metrics.items():
        if isinstance(value, int | float):
            yield Metric(f"held_out_{name}", float(value), 0, 0)
    weights = variant.weights
    for name in ("parameters", "epochs", "best_epoch", "steps", "l2"):
        if name in weights:
            yield Metric(name, float(weights[name]), 0, 0)
    seconds = _seconds(results.root, variant)
    if seconds is not None:
        yield Metric("train_seconds", seconds, 0, 0)


def _seconds(root: Path, variant: Variant) -> float | None:
    path = root / TIMINGS
    if not path.exists():
        return None
    rows = pd.read_json(path, lines=True)
    if not {"target", "model"} <= set(rows):
        return None
    is_variant = (rows["stage"] == "train") & (rows["target"] == variant.target) & (rows["model"] == variant.model)
    seconds = rows.loc[is_variant, "seconds"]
    return float(seconds.iloc[-1]) if len(seconds) else None


def _weight_table(variant: Variant) -> pd.DataFrame:
    rows = []
    for layer in variant.weights["layers"]:
        for (source, unit), value in np.ndenumerate(np.array(layer["kernel"])):
            rows.append((layer["name"], f"from {source}", unit, value))
        rows += [(layer["name"], "bias", unit, value) for unit, value in enumerate(layer["bias"])]
    return pd.DataFrame(rows, columns=["layer", "weight", "unit", "value"])


def _datasets(results: Results) -> list[Any]:
    datasets = []
    for part, context in (("train", "training"), ("test", "held-out")):
        path = results.root / f"data/{part}.parquet"
        frame = read_parquet(path)
        if len(frame):
            source = results.config.data.path
            datasets.append((from_pandas(frame, source=source, name=part, digest=md5(path)), context))
    return datasets


def _variant_tags(results: Results, variant: Variant) -> dict[str, str]:
    verdict = results.verdicts[variant.target]
    choices = [*ridge_sentences([variant]), *choice_sentences([variant]), *growth_sentences([variant])]
    return {
        ROLE_TAG: "variant",
        "target": variant.target,
        "model": variant.model,
        "answer": verdict.answer,
        "finding": verdict.finding,
        "mlflow.note.content": headline(verdict, results.schema.targets[variant.target].column),
    } | ({"choice": choices[0]} if choices else {})
