"""Stage `compare`: the fold losses of every model of a target become verdicts/<target>.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from straightline.artifacts import read_json, write_json
from straightline.config import Config, load
from straightline.errors import UserError
from straightline.evidence import ledger, spread
from straightline.stages import stage
from straightline.verdict import Comparison, decide

LOSSES = {"continuous": "mean_squared_error", "binary": "binary_crossentropy"}


def run(root: Path) -> None:
    """Write verdicts/<target>.json below `root` for each target."""
    config = load(root / "params.yaml")
    schema = read_json(root / "data/schema.json")
    for target in config.targets:
        verdict = _verdict(root, config, schema, target)
        write_json(root / f"verdicts/{target}.json", verdict)
        print(f"compare: {target}: is a straight line enough? {verdict['answer']} ({verdict['finding']})")


def _verdict(root: Path, config: Config, schema: dict[str, Any], target: str) -> dict[str, Any]:
    regressions = [name for name, model in config.models.items() if model.kind == "regression"]
    if len(regressions) != 1 or len(config.models) < 2:
        raise UserError(
            f"params.yaml: models: expected one of kind regression and at least one other to compare it with, got "
            f"{', '.join(f'{name} ({model.kind})' for name, model in config.models.items())}"
        )
    baseline = regressions[0]
    folds = {name: pd.read_csv(root / "runs" / target / name / "folds.csv") for name in config.models}
    # Losses, never predictions, are averaged over a network's seeds.
    means = {name: table.groupby(["repeat", "fold"])["loss"].mean().to_numpy() for name, table in folds.items()}
    comparisons = {
        name: Comparison(means[baseline], values, config.folds.k) for name, values in means.items() if name != baseline
    }
    task = schema["targets"][target]["task"]
    decision = decide(
        comparisons,
        float(folds[baseline]["mean_loss"].mean()),
        config.verdict.margin,
        config.verdict.confidence,
        schema["rows"]["train"],
    )
    return {
        "target": target,
        "task": task,
        "loss": LOSSES[task],
        "answer": decision["answer"],
        "finding": decision["finding"],
        "baseline": baseline,
        "challenger": decision["challenger"],
        "margin": config.verdict.margin,
        "confidence": config.verdict.confidence,
        "losses": {name: float(np.mean(values)) for name, values in means.items()},
        "mean_loss": float(folds[baseline]["mean_loss"].mean()),
        "relative_gain": decision["relative_gain"],
        "relative_gain_interval": decision["relative_gain_interval"],
        "probabilities": decision["probabilities"],
        "rows": schema["rows"]["train"],
        "folds": config.folds.k,
        "repeats": int(folds[baseline]["repeat"].nunique()),
        "seeds": max(int(table["seed"].nunique()) for table in folds.values()),
        "fits": {name: len(table) for name, table in folds.items()},
        "ledger": {name: ledger(table) for name, table in folds.items()},
        "spread": {name: spread(table) for name, table in folds.items()},
        "methods": {name: table["method"].value_counts().to_dict() for name, table in folds.items()},
        "challengers": decision["challengers"],
        "advice": decision["advice"],
    }


if __name__ == "__main__":
    with stage("compare"):
        run(Path("."))
