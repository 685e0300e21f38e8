"""Results as one self-contained HTML page, its pictures, and the table of all loss curves."""

import base64
import math
from collections.abc import Mapping
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from straightline import balloons, encoding, pictures, summary
from straightline.artifacts import read_parquet
from straightline.config import Balloons
from straightline.results import Results, Variant
from straightline.words import percent

LOSS_NAMES = {"mean_squared_error": "mean squared error", "binary_crossentropy": "cross-entropy"}
METRIC_NAMES = {
    "mse": "mean squared error",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "cross_entropy": "cross-entropy",
    "accuracy": "accuracy",
    "roc_auc": "ROC AUC",
    "brier": "Brier score",
}
FINDINGS = {
    "neural_better": "{challenger} is better by more than the margin",
    "regression_better": "{baseline} is better by more than the margin",
    "practically_equivalent": "the difference is smaller than the margin either way",
    "regression_enough": "{challenger} is not better by the margin",
    "undecided": "the folds do not tell",
}
SPACE = "\N{NO-BREAK SPACE}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def loss_table(results: Results) -> pd.DataFrame:
    """Return the loss curves of all variants in one long table; `shown` is `val_loss` where there is one."""
    parts = []
    for variant in results.variants.values():
        history = variant.history
        names = {"target": variant.target, "model": variant.model, "variant": f"{variant.target} / {variant.model}"}
        parts.append(history.assign(**names, shown=history["val_loss"].fillna(history["loss"])))
    return pd.concat(parts)[["target", "model", "variant", "epoch", "loss", "val_loss", "shown"]]


def draw(results: Results, table: pd.DataFrame) -> dict[str, bytes]:
    """Return the pictures by file name: losses.png, and predictions-<target>.png where rows were held out."""
    panels = [
        (
            target,
            LOSS_NAMES[results.verdicts[target]["loss"]],
            [(str(model), curve) for model, curve in part.groupby("model", sort=False)],
        )
        for target in results.config.targets
        if len(part := table[table["target"] == target])
    ]
    drawn = {"losses.png": pictures.losses(panels)}
    for target in results.config.targets:
        variants = results.of_target(target)
        if variants[0].metrics["rows"]:
            models = [(variant.model, read_parquet(variant.predictions)) for variant in variants]
            drawn[f"predictions-{target}.png"] = pictures.predictions(results.schema["targets"][target]["task"], models)
    return drawn


def render(results: Results, drawn: Mapping[str, bytes], settings: str = "") -> str:
    """Return the report; it carries inside `drawn`, its pictures by name, and `settings`, the text of params.yaml."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("straightline"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent}
    return environment.get_template("report.html.jinja").render(
        targets=[_target(results, target) for target in results.config.targets],
        pictures={name: base64.b64encode(content).decode() for name, content in drawn.items()},
        rows=results.schema["rows"],
        features=results.schema["features"],
        division=summary.division(results.schema),
        warnings=results.schema["warnings"],
        references=encoding.references(encoding.of_json(results.schema["encoding"])),
        path=results.config.data.path,
        settings=settings,
    )


def number(value: Any, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits, more just below 1, and a dash where there is none."""
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}".replace("-", "−")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    # 0.99999712 is not 1: two digits of what is missing.
    missing = 1 - abs(value)
    if 0 < missing < 1e-3:
        digits = max(digits, min(1 - math.floor(math.log10(missing)), 15))
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0:
        return "0"
    exponent = math.floor(math.log10(abs(rounded)))
    if -4 <= exponent < 6:
        return f"{rounded:,.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")
    mantissa = f"{rounded:.{digits - 1}e}".split("e")[0].replace("-", "−")
    return f"{mantissa}{SPACE}×{SPACE}10{str(exponent).translate(SUPERSCRIPTS)}"


def _target(results: Results, target: str) -> dict[str, Any]:
    verdict, variants = results.verdicts[target], results.of_target(target)
    schema = results.schema["targets"][target]
    metrics = [name for name in METRIC_NAMES if name in variants[0].metrics]
    return {
        "key": target,
        "column": schema["column"],
        "classes": schema["classes"],
        "verdict": verdict,
        "loss_name": LOSS_NAMES[verdict["loss"]],
        "headline": summary.headline(verdict, schema["column"]),
        "finding": FINDINGS[verdict["finding"]].format(**verdict),
        "level": _interval_level(verdict),
        "challengers": [
            {"name": name, "words": FINDINGS[found["finding"]].format(challenger=name, baseline=verdict["baseline"])}
            | found
            for name, found in verdict["challengers"].items()
        ],
        "metric_names": [METRIC_NAMES[name] for name in metrics],
        "models": [_model(variant, verdict, metrics) for variant in variants],
        "baseline": [variants[0].metrics["baseline"][name] for name in metrics],
        "held_out_rows": variants[0].metrics["rows"],
        "regressions": [_regression(results, variant) for variant in variants if variant.coefficients is not None],
    }


def _interval_level(verdict: Mapping[str, Any]) -> float:
    """Return the two-sided level of the gain's interval, which is wider where several challengers were tried."""
    tried = max(len(verdict["challengers"]), 1)
    return float(100 * (1 - 2 * (1 - verdict["confidence"]) / tried))


def _model(variant: Variant, verdict: Mapping[str, Any], metrics: list[str]) -> dict[str, Any]:
    weights, history = variant.weights, variant.history
    return {
        "name": variant.model,
        "loss": verdict["losses"][variant.model],
        "held_out_loss": variant.metrics.get("loss"),
        "fits": verdict["fits"][variant.model],
        "epochs": weights["epochs"],
        "parameters": weights["parameters"],
        "scores": [variant.metrics[name] for name in metrics],
        "last_loss": history["val_loss"].fillna(history["loss"]).iloc[-1],
    }


def _regression(results: Results, variant: Variant) -> dict[str, Any]:
    table = variant.coefficients
    assert table is not None
    settings = results.config.models[variant.model]
    straight = getattr(settings, "terms", "linear") == "linear" and getattr(settings, "intercept", True)
    weights, loss = _population(results, variant.target) if straight else ({}, None)
    return {
        "model": variant.model,
        "finish": getattr(settings, "finish", "exact"),
        "terms": [row | {"exact": weights.get(str(row["term"]))} for row in table.to_dict("records")],
        "exact": bool(weights),
        "exact_loss": loss,
        "certificate": variant.certificate,
    }


def _population(results: Results, target: str) -> tuple[dict[str, float], float | None]:
    """Return the best model's weights and loss over all balloons that the generator can make; nothing elsewhere."""
    data, column = results.config.data, results.schema["targets"][target]["column"]
    if isinstance(data, Balloons) and column == "num_balloons":
        return balloons.exact_linear(data.partnered_children), balloons.exact_linear_loss(data.partnered_children)
    if isinstance(data, Balloons) and column == "color":
        return balloons.exact_logistic(), balloons.exact_logistic_loss()
    return {}, None
