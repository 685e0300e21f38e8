"""The values that the templates of the report show."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from straightline.comparison.verdict import Verdict
from straightline.config.sources import Balloons
from straightline.data import balloons
from straightline.data.schema import references
from straightline.families.target import Target
from straightline.report import figures, held_out_figures
from straightline.report.equation import equations
from straightline.report.figures import Figure
from straightline.report.tables import clear_bins, more_rows
from straightline.results import sentences
from straightline.results.files import Results, Variant
from straightline.runtime.artifacts import md5

PACKAGES = ("straightline", "tensorflow", "keras", "numpy", "scipy", "pandas", "scikit-learn")


@dataclass(frozen=True)
class Content:
    """The `values` that the templates show, by name, and all `figures` among them."""

    values: Mapping[str, Any]
    figures: tuple[Figure, ...]


def content(results: Results, settings: str) -> Content:
    """Return the content of the report; `settings` is the text of params.yaml."""
    targets = [_target(results, target) for target in results.config.targets]
    schema, root = results.schema, results.root
    values = {
        "targets": targets,
        "rows": schema.rows,
        "features": schema.features,
        "division": sentences.division_sentence(schema.split),
        "weighting": sentences.weights_sentence(schema),
        "warnings": schema.warnings,
        "references": references(schema.encoding),
        "path": results.config.data.path,
        "settings": settings,
        "digests": {f"data/{part}.parquet": md5(root / f"data/{part}.parquet") for part in ("train", "test")},
        "versions": {"Python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "command": _command(root),
    }
    return Content(values, tuple(figure for target in targets for figure in _figures(target)))


def _command(root: Path) -> str | None:
    """Return the `straightline run` command that made the results, or None if the pipeline made them."""
    path = root / "command.txt"
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def _figures(target: Mapping[str, Any]) -> list[Figure]:
    coefficients = [regression["figure"] for regression in target["regressions"]]
    columns = [figure for _, pair in target["columns"] for figure in pair]
    pictures = [target["answer"], target["losses"], target["learning"], *coefficients, *target["held_out"], *columns]
    return [figure for figure in pictures if figure is not None]


def _target(results: Results, target: str) -> dict[str, Any]:
    verdict, variants = results.verdicts[target], results.variants_of(target)
    schema, family = results.schema.targets[target], results.family_of(target)
    metrics = [name for name in family.metrics if name in variants[0].metrics]
    return {
        "key": target,
        "column": schema.column,
        "prediction_note": family.prediction_note(schema),
        "estimate_note": sentences.estimate_sentence(schema),
        "offset_notes": sentences.offset_sentences(schema),
        "has_factors": family.has_factors,
        "baseline_name": family.baseline_title(schema),
        "verdict": verdict,
        "loss_name": family.loss_title,
        "headline": sentences.headline(verdict, schema.column, family.baseline_title(schema)),
        "finding": verdict.reason_against(family.baseline_title(schema)),
        "level": sentences.interval_level(verdict.confidence, verdict.chances),
        "reference_note": sentences.reference_note(verdict.reference) if verdict.reference else None,
        "selected": [
            *sentences.ridge_sentences(variants),
            *sentences.selection_sentences(verdict),
            *sentences.choice_sentences(variants),
            *sentences.growth_sentences(variants),
        ],
        "challengers": [
            {"name": name, "words": challenger.finding.explained(name, verdict.baseline), "result": challenger}
            for name, challenger in verdict.challengers.items()
        ],
        "scores_note": family.scores_note,
        "metric_names": [family.metrics[name] for name in metrics],
        "models": [_model(variant, verdict, metrics) for variant in variants],
        "baseline": [variants[0].metrics["baseline"][name] for name in metrics],
        "held_out_rows": variants[0].metrics["rows"],
        "regressions": [_regression(results, variant) for variant in variants if variant.coefficients is not None],
        "answer": figures.answer(results, target),
        "losses": figures.losses(results, target),
        "learning": figures.learning(results, target),
        "more_rows": more_rows(results, target),
        "held_out": held_out_figures.held_out(results, target),
        "columns": list(held_out_figures.by_column(results, target)),
        "bins": [_bins(results.variants[target, name]) for name in verdict.challengers],
    }


def _model(variant: Variant, verdict: Verdict, metrics: list[str]) -> dict[str, Any]:
    weights = variant.weights
    return {
        "name": variant.model,
        "loss": verdict.losses[variant.model],
        "interval": verdict.loss_intervals[variant.model],
        "held_out_loss": variant.metrics.get("loss"),
        "fits": verdict.fits[variant.model],
        "epochs": weights["epochs"],
        "parameters": weights["parameters"],
        "scores": [variant.metrics[name] for name in metrics],
    }


def _bins(variant: Variant) -> dict[str, Any]:
    effects = variant.effects
    better, worse, count = clear_bins(effects)
    return {"model": variant.model, "better": better, "worse": worse, "count": count, "table": effects}


def _regression(results: Results, variant: Variant) -> dict[str, Any]:
    table, certificate = variant.coefficients, variant.certificate
    assert table is not None
    assert certificate is not None
    settings, family = results.config.models[variant.model], results.family_of(variant.target)
    is_straight = getattr(settings, "terms", "linear") == "linear" and getattr(settings, "intercept", True)
    weights, loss = _population(results, variant.target) if is_straight else ({}, None)
    schema = results.schema.targets[variant.target]
    return {
        "model": variant.model,
        "finish": getattr(settings, "finish", "exact"),
        "l2": variant.weights["l2"],
        "equations": equations(table, family.predictor_names(schema)),
        "groups": _groups(table.assign(factor=np.exp(table["estimate"])), weights, schema),
        "rows": len(table),
        "exact": bool(weights),
        "exact_loss": loss,
        "certificate": certificate,
        "inference": sentences.inference_sentences(certificate, family, getattr(settings, "quasi", False)),
        "figure": figures.coefficients(results, variant),
    }


def _groups(table: pd.DataFrame, weights: Mapping[str, float], target: Target) -> list[tuple[str | None, list[Any]]]:
    """Return the rows of coefficients by class, each group with its heading; one group without one if there are none.

    `weights` are the exact weights by term.
    """
    names = table["class"].unique() if "class" in table else [None]
    parts = [(name, table if name is None else table[table["class"] == name]) for name in names]
    reference = (target.classes or [None])[0]
    return [
        (
            None if name is None else f"{name} against {reference}",
            [row | {"exact": weights.get(str(row["term"]))} for row in part.to_dict("records")],
        )
        for name, part in parts
    ]


def _population(results: Results, target: str) -> tuple[dict[str, float], float | None]:
    """Return the weights and the loss of the best straight line over all balloons that the generator can make.

    For other tables they are unknown: an empty dict and None.
    """
    data, column = results.config.data, results.schema.targets[target].column
    if isinstance(data, Balloons) and column == "num_balloons":
        return balloons.exact_linear(data.partnered_children), balloons.exact_linear_loss(data.partnered_children)
    if isinstance(data, Balloons) and column == "color":
        return balloons.exact_logistic(), balloons.exact_logistic_loss()
    return {}, None
