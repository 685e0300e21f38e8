"""Stage `train`: fit one model to one target, on all training rows and on every fold."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from straightline.backend import import_tensorflow

import_tensorflow()

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline import encoding
from straightline.archive import save_model
from straightline.artifacts import md5, read_json, read_parquet, write_csv, write_json
from straightline.config import load
from straightline.encoder import with_encoding
from straightline.live import losses_streamed
from straightline.plan import descent_settings, fold_plan
from straightline.processes import temporary_folder
from straightline.progress import epochs_shown
from straightline.source import held, rewritten, streamed
from straightline.stages import stage
from straightline.trained import Table, Trained
from straightline.training import train

HELD_ROWS, HELD_VALUES = 250_000, 2**22  # at most, unless fit.held_rows says otherwise


def run(root: Path, target: str, model: str) -> None:
    """Write runs/<target>/<model>/ below `root`."""
    config = load(root / "params.yaml")
    settings = config.models[model]
    with training_table(root, target, config.fit.held_rows) as table:
        descent = descent_settings(table, settings, config.fit)
        folds = fold_plan(table, settings, config.fit, config.folds)
        seeds = f" x {folds.seeds} seeds" if settings.kind == "neural" else ""
        chosen = (
            "" if folds == config.folds else f", by {len(table.labels):,} rows (folds.repeats and folds.seeds set them)"
        )
        print(f"train {target}/{model}: {folds.repeats} x {folds.k} folds{seeds}{chosen}", flush=True)
        stream = losses_streamed(root, target, model, settings.kind == "neural", config.tracking.live)
        with stream as live, epochs_shown(f"{target} / {model}", descent.epochs) as show:

            def on_epoch(epoch: int, running: NDArray, final: NDArray) -> None:
                show(epoch, running, final)
                live.on_epoch(epoch, running, final)

            trained = train(table, settings, config.fit, folds, on_epoch)
            features = encoding.of_json(read_json(root / "data/schema.json")["encoding"])
            _save(trained, with_encoding(trained.model, features), root / "runs" / target / model)
            live.finish(md5(root / "runs" / target / model / "history.csv"))
    for message in trained.messages:
        print(f"train {target}/{model}: {message}")
    print(
        f"train {target}/{model}: {len(trained.folds)} fold fits, mean loss {trained.folds['loss'].mean():.6g}; final "
        f"model: {trained.weights['epochs']} of at most {descent.epochs} epochs of {descent.steps} steps"
    )


@contextmanager
def training_table(root: Path, target: str, held_rows: int | None) -> Iterator[Table]:
    """Yield the training rows: in memory, or, where they are many, by a file of what they are encoded to."""
    schema = read_json(root / "data/schema.json")
    path = root / "data/train.parquet"
    column, split = schema["targets"][target], schema["split"]
    labels = _column(path, column["column"]).to_numpy(np.float64)
    groups = pd.factorize(_column(path, split["column"]))[0] if split["by"] == "groups" else None
    features = encoding.of_json(schema["encoding"])
    names = encoding.term_names(features)
    held_rows = held_rows or min(HELD_ROWS, HELD_VALUES // (len(names) + 1))
    encode = partial(encoding.matrix, features=features)
    with temporary_folder() as folder:
        if len(labels) <= held_rows:
            source = held(encode(read_parquet(path, columns=schema["features"])), labels)
        elif encoding.is_plain(features):
            source = streamed(path, names, column["column"], held_rows // 8)
        else:
            numbers = [str(number) for number in range(len(names) + 1)]  # a term may be called as the target is
            encoded = folder / "encoded.parquet"
            rewritten(path, encoded, schema["features"], column["column"], numbers, encode)
            source = streamed(encoded, numbers[:-1], numbers[-1], held_rows // 8)
        yield Table(source, labels, names, column["task"], schema["standardize"], groups, split["by"] == "time")


def _column(path: Path, name: str) -> pd.Series:
    return read_parquet(path, columns=[name])[name]


def _save(trained: Trained, model: keras.Model, folder: Path) -> None:
    digest = save_model(model, folder / "model.keras")
    write_csv(folder / "history.csv", trained.history)
    write_csv(folder / "folds.csv", trained.folds)
    write_csv(folder / "learning.csv", trained.learning)
    write_json(folder / "weights.json", trained.weights | {"digest": digest})
    if trained.fold_history is not None:
        write_csv(folder / "fold_history.csv", trained.fold_history)
    if trained.coefficients is not None:
        write_csv(folder / "coefficients.csv", trained.coefficients)
        write_json(folder / "certificate.json", trained.certificate)


if __name__ == "__main__":
    with stage("train", target=sys.argv[1], model=sys.argv[2]):
        run(Path("."), sys.argv[1], sys.argv[2])
