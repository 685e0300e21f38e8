"""Stage `compare`: the fold losses of every model of a target become verdicts/<target>.json."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.comparison.evidence import ledger, spread
from straightline.comparison.ladder import ladder
from straightline.comparison.verdict import Comparison, decide, loss_interval, test_ratio
from straightline.config.settings import Config, load
from straightline.errors import UserError
from straightline.families.scores import LOSSES
from straightline.models import baseline_of
from straightline.runtime.artifacts import read_json, write_json
from straightline.runtime.stage import stage


def run(root: Path) -> None:
    """Write verdicts/<target>.json below `root` for each target."""
    config = load(root / "params.yaml")
    schema = read_json(root / "data/schema.json")
    for target in config.targets:
        verdict = _verdict(root, config, schema, target)
        write_json(root / f"verdicts/{target}.json", verdict)
        print(f"compare: {target}: is a straight line enough? {verdict['answer']} ({verdict['finding']})")


def _verdict(root: Path, config: Config, schema: dict[str, Any], target: str) -> dict[str, Any]:
    baseline = baseline_of(config.models)
    folds = {name: pd.read_csv(root / "runs" / target / name / "folds.csv") for name in config.models}
    # Losses, never predictions, are averaged over a network's seeds.
    means = {name: table.groupby(["repeat", "fold"])["loss"].mean().to_numpy() for name, table in folds.items()}
    ratio = _ratio(folds[baseline]) if schema["split"]["by"] == "time" else None
    comparisons = {
        name: Comparison(means[baseline], values, config.folds.k, ratio)
        for name, values in means.items()
        if name != baseline
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
        "loss_intervals": {
            name: loss_interval(values, test_ratio(config.folds.k, ratio), config.verdict.confidence)
            for name, values in means.items()
        },
        "mean_loss": float(folds[baseline]["mean_loss"].mean()),
        "relative_gain": decision["relative_gain"],
        "relative_gain_interval": decision["relative_gain_interval"],
        "probabilities": decision["probabilities"],
        "rows": schema["rows"]["train"],
        "split": schema["split"],
        "folds": config.folds.k,
        "repeats": int(folds[baseline]["repeat"].nunique()),
        "seeds": max(int(table["seed"].nunique()) for table in folds.values()),
        "fits": {name: len(table) for name, table in folds.items()},
        "ledger": {
            name: ledger(table, getattr(config.models[name], "selected_from", 1)) for name, table in folds.items()
        },
        "spread": {name: spread(table) for name, table in folds.items()},
        "methods": {name: table["method"].value_counts().to_dict() for name, table in folds.items()},
        "challengers": decision["challengers"],
        "advice": decision["advice"],
        "ladder": _ladder(config, means, ratio),
    }


def _ratio(folds: pd.DataFrame) -> float:
    """Return the test rows to a training row, on the mean: later folds of ordered rows train on more."""
    return float((folds["rows"] / folds["train_rows"]).mean())


def _ladder(config: Config, means: dict[str, NDArray], ratio: float | None) -> dict[str, Any] | None:
    names = config.verdict.ladder
    if names is None:
        return None
    if unknown := sorted({*names} - {*means}):
        raise UserError(
            f"params.yaml: verdict.ladder: {', '.join(unknown)} is no model; expected some of {list(means)}"
        )
    rungs = {name: means[name] for name in names}
    return ladder(rungs, config.folds.k, config.verdict.margin, config.verdict.confidence, ratio)


if __name__ == "__main__":
    with stage("compare"):
        run(Path("."))
