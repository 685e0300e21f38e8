"""The answer in words and numbers, as `straightline show` prints it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from straightline import encoding
from straightline.results import Results, Variant
from straightline.words import percent

OPENINGS = {
    "yes": "Yes, a straight line is enough to predict {}",
    "no": "No, a straight line is not enough to predict {}",
    "undecided": "Undecided whether a straight line is enough to predict {}",
}


def headline(verdict: Mapping[str, Any], column: str) -> str:
    """Return the answer of one target as a sentence with its numbers."""
    gain, (low, high) = verdict["relative_gain"], verdict["relative_gain_interval"]
    level = interval_level(verdict)
    change = f"{'lowers' if gain >= 0 else 'raises'} the loss by {percent(abs(gain))}"
    interval = f"{level:.3g} % interval of the gain {percent(low)} to {percent(high)}"
    opening = OPENINGS[verdict["answer"]].format(column)
    return f"{opening}: {verdict['challenger']} {change} ({interval}; margin {100 * verdict['margin']:.3g} %)."


def interval_level(verdict: Mapping[str, Any]) -> float:
    """Return the two-sided level of the gain's interval in percent, wider where several challengers were tried."""
    tried = max(len(verdict["challengers"]), 1)
    return float(100 * (1 - 2 * (1 - verdict["confidence"]) / tried))


def selected(verdict: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each model that is the best of many configs on these rows."""
    return [
        f"{name} is selected from {given['configs']:,} configs on these rows."
        for name, given in verdict["ledger"].items()
        if given["configs"] > 1
    ]


def division(schema: Mapping[str, Any]) -> str | None:
    """Return a sentence on how rows are divided into training and scored ones, or None where chance does."""
    split = schema["split"]
    if split["by"] == "chance":
        return None
    if split["by"] == "groups":
        return f"Rows of the same {split['column']} are never in training and scored rows at once."
    order = "as they follow in the file" if split["column"] is None else f"by {split['column']}"
    return f"Models train on earlier rows and are scored on later ones, {order}."


def ui_command(root: Path) -> str:
    """Return what opens MLflow's UI on the project or the output folder `root`."""
    if (root / "Makefile").exists():
        return "make ui"
    return "straightline ui" if root == Path(".") else f"cd {root} && straightline ui"


def as_dict(results: Results) -> dict[str, Any]:
    """Return what `straightline show --json` prints: the verdicts, models, coefficients and where to look on."""
    return {
        "targets": {
            target: {
                "verdict": dict(verdict),
                "models": {variant.model: _model(variant, verdict) for variant in results.of_target(target)},
            }
            for target, verdict in results.verdicts.items()
        },
        "warnings": results.schema["warnings"],
        "report": str(results.root / "reports/index.html"),
    }


def printed(results: Results) -> RenderableType:
    """Return the same for a terminal."""
    parts: list[RenderableType] = []
    for target, verdict in results.verdicts.items():
        column = results.schema["targets"][target]["column"]
        parts += [Text(headline(verdict, column), style="bold"), Text(verdict["advice"]), _models(results, target)]
        parts += map(Text, selected(verdict))
        if verdict["ladder"]:
            parts.append(Text(verdict["ladder"]["advice"]))
        for variant in results.of_target(target):
            if variant.coefficients is not None:
                parts += [_coefficients(variant), *map(Text, [*_references(results), *_notes(variant)])]
        parts.append(Text())
    report = results.root / "reports/index.html"
    parts.append(Text(f"Report:    {report if report.exists() else 'not there yet; run dvc repro'}"))
    if sentence := division(results.schema):
        parts.insert(0, Text(sentence))
    if (results.root / "dvc.yaml").exists() or (results.root / "mlflow.db").exists():
        parts.append(Text(f"MLflow UI: {ui_command(results.root)}"))
    return Group(*parts)


def show(results: Results) -> None:
    """Print the answers to stdout; without a terminal the tables keep their full width."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=120)
    console.print(printed(results))


def _model(variant: Variant, verdict: Mapping[str, Any]) -> dict[str, Any]:
    weights = variant.weights
    coefficients = variant.coefficients
    return {
        "cross_validated_loss": verdict["losses"][variant.model],
        "held_out": dict(variant.metrics),
        "epochs": weights["epochs"],
        "parameters": weights["parameters"],
        "fits": verdict["fits"][variant.model],
        "coefficients": None if coefficients is None else _records(coefficients),
        "certificate": variant.certificate,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    blank = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in blank.to_dict("records")]


def _models(results: Results, target: str) -> Table:
    verdict = results.verdicts[target]
    table = Table(title=f"{target}: {verdict['loss'].replace('_', ' ')}", title_justify="left")
    table.add_column("model")
    for name in ("cross-validated", "held-out", "epochs", "parameters", "fold fits"):
        table.add_column(name, justify="right")
    for variant in results.of_target(target):
        weights, held_out = variant.weights, variant.metrics.get("loss")
        table.add_row(
            variant.model,
            f"{verdict['losses'][variant.model]:.5g}",
            "-" if held_out is None else f"{held_out:.5g}",
            str(weights["epochs"]),
            str(weights["parameters"]),
            str(verdict["fits"][variant.model]),
        )
    baseline = results.of_target(target)[0].metrics.get("baseline", {}).get("loss")
    mean = f"{verdict['mean_loss']:.5g}"
    table.add_row("predicting the mean", mean, "-" if baseline is None else f"{baseline:.5g}", "-", "-", "-")
    return table


def _coefficients(variant: Variant) -> Table:
    coefficients = variant.coefficients
    assert coefficients is not None
    kind = (variant.certificate or {}).get("standard_errors", "classical")
    errors = "std error" if kind == "classical" else f"std error ({kind})"
    table = Table(title=f"{variant.target}: weights of {variant.model}", title_justify="left")
    table.add_column("term")
    for name in ("estimate", errors, "95 % interval", "gradient descent"):
        table.add_column(name, justify="right")
    for row in coefficients.itertuples():
        interval = f"{_number(row.ci_low)} to {_number(row.ci_high)}" if _number(row.ci_low) != "-" else "-"
        table.add_row(Text(str(row.term)), *map(_number, (row.estimate, row.std_error)), interval, _number(row.trained))
    return table


def _references(results: Results) -> list[str]:
    levels = encoding.references(encoding.of_json(results.schema["encoding"]))
    return [f"Reference levels, which the others are compared with: {', '.join(levels)}."] if levels else []


def _notes(variant: Variant) -> list[str]:
    certificate = variant.certificate or {}
    return [f"Note: {message}." for key in ("messages", "fold_messages") for message in certificate.get(key, [])]


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.5g}"
