"""Results as one self-contained HTML page."""

import base64
from collections.abc import Mapping
from typing import Any

import jinja2
import pandas as pd

from straightline import balloons, pictures
from straightline.config import Balloons
from straightline.results import Results, Variant
from straightline.summary import headline

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
    drawn = {"losses.png": pictures.losses([(str(name), part) for name, part in table.groupby("variant", sort=False)])}
    for target in results.config.targets:
        variants = results.of_target(target)
        if variants[0].metrics["rows"]:
            models = [(variant.model, pd.read_parquet(variant.predictions)) for variant in variants]
            drawn[f"predictions-{target}.png"] = pictures.predictions(results.schema["targets"][target]["task"], models)
    return drawn


def render(results: Results, drawn: Mapping[str, bytes]) -> str:
    """Return the report; `drawn` are its pictures by name, which the page carries inside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("straightline"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = number
    return environment.get_template("report.html.jinja").render(
        targets=[_target(results, target) for target in results.config.targets],
        pictures={name: base64.b64encode(content).decode() for name, content in drawn.items()},
        rows=results.schema["rows"],
        features=results.schema["features"],
        path=results.config.data.path,
        params=(results.root / "params.yaml").read_text(encoding="utf-8"),
    )


def number(value: Any) -> str:
    """Return `value` with four significant digits, and a dash where there is none."""
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}"


def _target(results: Results, target: str) -> dict[str, Any]:
    verdict, variants = results.verdicts[target], results.of_target(target)
    column = results.schema["targets"][target]["column"]
    metrics = [name for name in METRIC_NAMES if name in variants[0].metrics]
    return {
        "key": target,
        "column": column,
        "verdict": verdict,
        "headline": headline(verdict, column),
        "metric_names": [METRIC_NAMES[name] for name in metrics],
        "models": [_model(variant, verdict, metrics) for variant in variants],
        "baseline": [variants[0].metrics["baseline"][name] for name in metrics],
        "held_out_rows": variants[0].metrics["rows"],
        "regressions": [_regression(results, variant) for variant in variants if variant.coefficients is not None],
    }


def _model(variant: Variant, verdict: Mapping[str, Any], metrics: list[str]) -> dict[str, Any]:
    weights = variant.weights
    return {
        "name": variant.model,
        "loss": verdict["losses"][variant.model],
        "fits": verdict["fits"][variant.model],
        "epochs": weights["epochs"],
        "parameters": weights["parameters"],
        "scores": [variant.metrics[name] for name in metrics],
    }


def _regression(results: Results, variant: Variant) -> dict[str, Any]:
    table = variant.coefficients
    assert table is not None
    exact = _population_weights(results, variant.target)
    return {
        "model": variant.model,
        "terms": [row | {"exact": exact.get(str(row["term"]))} for row in table.to_dict("records")],
        "exact": bool(exact),
        "certificate": variant.certificate,
    }


def _population_weights(results: Results, target: str) -> dict[str, float]:
    data = results.config.data
    if not isinstance(data, Balloons):
        return {}
    column = results.schema["targets"][target]["column"]
    if column == "num_balloons":
        return balloons.exact_linear(data.partnered_children)
    return balloons.exact_logistic() if column == "color" else {}
