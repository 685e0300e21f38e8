"""Stage `evaluate`: evaluate all saved models on the held-out rows, in one process."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from straightline.runtime.backend import import_tensorflow
from straightline.runtime.terminal import say

import_tensorflow()

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.comparison.bins import binned
from straightline.comparison.effects import dependence, effects, followed
from straightline.config.settings import load
from straightline.data import encoding
from straightline.data.row_values import offset_of
from straightline.data.rows import Rows
from straightline.data.schema import Feature, Schema, read_schema
from straightline.families import Family, family_of
from straightline.large.counts import counted
from straightline.large.table import large_table
from straightline.models import baseline_of
from straightline.runtime.artifacts import read_json, read_parquet, write_csv, write_json
from straightline.runtime.stage import stage
from straightline.runtime.steps import step
from straightline.serving.archive import load_model
from straightline.serving.encoder import predictions_of
from straightline.serving.held_out import HeldOut

BLOCK_ROWS = 2**15  # What a network computes for all held-out rows of a large table at once would take gigabytes.


def run(root: Path) -> None:
    """Write metrics/, predictions/ and effects/ below `root`, for every target and model."""
    config = load(root / "params.yaml")
    schema = read_schema(root)
    baseline = baseline_of(config.models)
    test = read_parquet(root / "data/test.parquet")
    features = schema.encoding
    columns = {feature.name: encoding.raw(test, feature) for feature in features} if len(test) else {}
    for target in config.targets:
        family = family_of(schema.targets[target])
        rows, constant = _rows(test, schema, target), _without_columns(root, schema, target)
        with step(f"predictions of {target}"):
            predictors = {model: _predictor(root, target, model, features) for model in config.models}
            block = BLOCK_ROWS if schema.is_large else len(rows)
            predicted = {model: _in_blocks(predict, columns, len(rows), block) for model, predict in predictors.items()}
        # The effects of columns are those on predictions for the offset 0.
        shown = followed(binned(columns), list(predicted.values()))
        held_out = {
            model: HeldOut(rows.labels, family.with_offset(values, rows.offset), rows.weights)
            for model, values in predicted.items()
        }
        losses = {model: family.row_losses(each.truth, each.prediction) for model, each in held_out.items()}
        for model, found in held_out.items():
            name = f"{target}-{model}"
            write_json(root / f"metrics/{name}.json", _metrics(rows, found.prediction, constant, family))
            found.write(root / f"predictions/{name}.parquet")
            by_bin = effects(shown, losses[model], losses[baseline] if model != baseline else None, rows.weights)
            write_csv(root / f"effects/{name}.csv", by_bin)
            with step(f"dependence of {target}/{model}"):
                curves = dependence(predictors[model], columns, shown, rows.weights)
                write_csv(root / f"effects/dependence/{name}.csv", curves)
    say(f"evaluate: {len(config.targets) * len(config.models)} models on {len(test):,} held-out rows")


def _predictor(
    root: Path, target: str, model: str, features: Sequence[Feature]
) -> Callable[[Mapping[str, NDArray]], NDArray]:
    folder = root / "runs" / target / model
    fitted = load_model(folder / "model.keras", read_json(folder / "weights.json")["digest"])
    return partial(predictions_of, fitted, features=features)


def _in_blocks(
    predict: Callable[[Mapping[str, NDArray]], NDArray], columns: Mapping[str, NDArray], rows: int, block: int
) -> NDArray:
    """Return the predictions of all rows; each call of `predict` gets so many rows."""
    if not rows:
        return np.empty(0)
    starts = range(0, rows, block)
    return np.concatenate(
        [predict({name: values[start : start + block] for name, values in columns.items()}) for start in starts]
    )


def _rows(frame: pd.DataFrame, schema: Schema, target: str) -> Rows:
    """Return the labels, weights and offsets of the target; columns are not needed here."""
    column = schema.targets[target]
    weights = None if schema.weights is None else frame[schema.weights].to_numpy(np.float64)
    labels = frame[column.column].to_numpy(np.float64)
    return Rows(np.empty((len(frame), 0)), labels, weights, offset_of(frame, column))


def _without_columns(root: Path, schema: Schema, target: str) -> Any:
    """Return the prediction of the training rows that uses no column."""
    if schema.is_large:
        return counted(large_table(root, target)).prediction
    columns = [schema.targets[target].column, *schema.targets[target].offset_columns, *filter(None, [schema.weights])]
    known = _rows(read_parquet(root / "data/train.parquet", list(dict.fromkeys(columns))), schema, target)
    return family_of(schema.targets[target]).baseline(known.labels, known.weights, known.offset)


def _metrics(rows: Rows, predicted: NDArray, constant: Any, family: Family) -> dict[str, object]:
    if not len(rows):
        return {"rows": 0}
    without_columns = np.broadcast_to(constant, (len(rows), *np.shape(constant)))
    scores = partial(family.scores, rows.labels, weights=rows.weights, offset=rows.offset)
    baseline = scores(family.with_offset(without_columns, rows.offset))
    return {"rows": len(rows), **scores(predicted), "baseline": baseline}


if __name__ == "__main__":
    with stage("evaluate"):
        run(Path("."))
