"""The answer in words, and all of it as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from straightline.formatting import percent

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
