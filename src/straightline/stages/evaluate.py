"""Stage `evaluate`: evaluate all saved models on the held-out rows, in one process."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from straightline.runtime.backend import import_tensorflow
from straightline.runtime.terminal import say

import_tensorflow()

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.comparison.effects import dependence, effects, followed
from straightline.config.settings import load
from straightline.data import encoding
from straightline.data.schema import Feature, read_schema
from straightline.families import FAMILIES, Family
from straightline.models import baseline_of
from straightline.runtime.artifacts import read_json, read_parquet, write_csv, write_json, write_parquet
from straightline.runtime.stage import stage
from straightline.runtime.steps import step
from straightline.serving.archive import load_model
from straightline.serving.encoder import predictions_of


def run(root: Path) -> None:
    """Write metrics/, predictions/ and effects/ below `root`, for every target and model."""
    config = load(root / "params.yaml")
    schema = read_schema(root)
    baseline = baseline_of(config.models)
    train, test = (read_parquet(root / f"data/{part}.parquet") for part in ("train", "test"))
    features = schema.encoding
    columns = {feature.name: encoding.raw(test, feature) for feature in features} if len(test) else {}
    for target in config.targets:
        column, family = schema.targets[target].column, FAMILIES[schema.targets[target].family]
        mean_prediction = family.baseline(train[column].to_numpy(np.float64))
        truth = test[column].to_numpy(np.float64)
        with step(f"predictions of {target}"):
            predictors = {model: _predictor(root, target, model, features) for model in config.models}
            predicted = {
                model: predict(columns) if len(truth) else np.empty(0) for model, predict in predictors.items()
            }
        losses = {model: family.row_losses(truth, values) for model, values in predicted.items()}
        shown = followed(columns, list(predicted.values()))
        for model, values in predicted.items():
            name = f"{target}-{model}"
            write_json(root / f"metrics/{name}.json", _metrics(truth, values, mean_prediction, family))
            write_parquet(root / f"predictions/{name}.parquet", pd.DataFrame({"truth": truth, "prediction": values}))
            by_bin = effects(shown, losses[model], losses[baseline] if model != baseline else None)
            write_csv(root / f"effects/{name}.csv", by_bin)
            with step(f"dependence of {target}/{model}"):
                write_csv(root / f"effects/dependence/{name}.csv", dependence(predictors[model], columns, shown))
    say(f"evaluate: {len(config.targets) * len(config.models)} models on {len(test):,} held-out rows")


def _predictor(
    root: Path, target: str, model: str, features: Sequence[Feature]
) -> Callable[[Mapping[str, NDArray]], NDArray]:
    folder = root / "runs" / target / model
    fitted = load_model(folder / "model.keras", read_json(folder / "weights.json")["digest"])
    return partial(predictions_of, fitted, features=features)


def _metrics(truth: NDArray, predicted: NDArray, mean_prediction: float, family: Family) -> dict[str, object]:
    if not len(truth):
        return {"rows": 0}
    baseline = family.scores(truth, np.full(len(truth), mean_prediction))
    return {"rows": len(truth), **family.scores(truth, predicted), "baseline": baseline}


if __name__ == "__main__":
    with stage("evaluate"):
        run(Path("."))
