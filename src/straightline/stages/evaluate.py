"""Stage `evaluate`: evaluate all saved models on the held-out rows, in one process."""

from functools import partial
from pathlib import Path

from straightline.runtime.backend import import_tensorflow

import_tensorflow()

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.comparison.effects import dependence, effects
from straightline.config.settings import load
from straightline.data import encoding
from straightline.data.schema import read_schema
from straightline.families import FAMILIES, Family
from straightline.models import baseline_of
from straightline.runtime.artifacts import read_json, read_parquet, write_csv, write_json, write_parquet
from straightline.runtime.stage import stage
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
        losses: dict[str, NDArray] = {}
        for model in [baseline, *(name for name in config.models if name != baseline)]:
            name = f"{target}-{model}"
            folder = root / "runs" / target / model
            fitted = load_model(folder / "model.keras", read_json(folder / "weights.json")["digest"])
            predict = partial(predictions_of, fitted, features=features)
            predicted = predict(columns) if len(truth) else np.empty(0)
            losses[model] = family.row_losses(truth, predicted)
            write_json(root / f"metrics/{name}.json", _metrics(truth, predicted, mean_prediction, family))
            write_parquet(root / f"predictions/{name}.parquet", pd.DataFrame({"truth": truth, "prediction": predicted}))
            by_bin = effects(columns, losses[model], losses[baseline] if model != baseline else None)
            write_csv(root / f"effects/{name}.csv", by_bin)
            write_csv(root / f"effects/dependence/{name}.csv", dependence(predict, columns))
    print(f"evaluate: {len(config.targets) * len(config.models)} models on {len(test):,} held-out rows")


def _metrics(truth: NDArray, predicted: NDArray, mean_prediction: float, family: Family) -> dict[str, object]:
    if not len(truth):
        return {"rows": 0}
    baseline = family.scores(truth, np.full(len(truth), mean_prediction))
    return {"rows": len(truth), **family.scores(truth, predicted), "baseline": baseline}


if __name__ == "__main__":
    with stage("evaluate"):
        run(Path("."))
