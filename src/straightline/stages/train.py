"""Stage `train`: fit one model to one target, on all training rows and on every fold."""

import sys
from pathlib import Path

from straightline.runtime.backend import import_tensorflow
from straightline.runtime.terminal import say

import_tensorflow()

import keras
from numpy.typing import NDArray

from straightline.config.settings import Config, load
from straightline.data.schema import read_schema
from straightline.data.training_table import training_table
from straightline.large.division import divided
from straightline.large.engines import chosen_engine
from straightline.large.table import large_table
from straightline.large.variants import train_large
from straightline.models import Averaged, Regression
from straightline.runtime.artifacts import md5, write_csv, write_json
from straightline.runtime.stage import stage
from straightline.runtime.steps import step
from straightline.serving.archive import save_model
from straightline.serving.encoder import with_encoding
from straightline.tracking.live import losses_streamed
from straightline.training.plan import fold_plan, planned
from straightline.training.progress import epochs_shown
from straightline.training.records import Trained
from straightline.training.variants import train


def run(root: Path, target: str, model: str) -> None:
    """Write runs/<target>/<model>/ below `root`."""
    config = load(root / "params.yaml")
    run = _run_large if read_schema(root).is_large else _run_held
    run(root, config, target, model)


def _run_held(root: Path, config: Config, target: str, model: str) -> None:
    settings = config.models[model]
    with training_table(root, target, config.fit.held_rows) as table:
        epochs, steps = planned(table, settings, config.fit)
        folds = fold_plan(table, settings, config.fit, config.folds)
        seeds = f" x {folds.seeds} seeds" if not isinstance(settings, Regression) else ""
        reason = f", chosen for {len(table.labels):,} rows (set folds.repeats and folds.seeds to change them)"
        reason = "" if folds == config.folds else reason
        say(f"train {target}/{model}: {folds.repeats} x {folds.k} folds{seeds}{reason}")
        # The history of an averaged network is known only after the choice of its members.
        is_streamed = config.tracking.live and not isinstance(settings, Averaged)
        stream = losses_streamed(root, target, model, not isinstance(settings, Regression), is_streamed)
        with stream as live, epochs_shown("training", epochs) as show:

            def on_epoch(epoch: int, running: NDArray, final: NDArray) -> None:
                show(epoch, running, final)
                live.on_epoch(epoch, running, final)

            trained = train(table, settings, config.fit, folds, on_epoch)
            _finish(root, target, model, trained)
            live.finish(md5(root / "runs" / target / model / "history.csv"))
    _report(target, model, trained, f"{trained.weights['epochs']} of at most {epochs} epochs of {steps} steps")


def _run_large(root: Path, config: Config, target: str, model: str) -> None:
    settings, table = config.models[model], large_table(root, target)
    division = divided(table.rows, config.folds, table.ordered)
    say(
        f"train {target}/{model}: {len(division.folds)} of {division.k} folds of {table.rows:,} rows, divided by a hash"
    )
    with chosen_engine() as engine:
        trained = train_large(table, settings, config.fit, division, engine)
    _finish(root, target, model, trained)
    _report(target, model, trained, f"{trained.weights['epochs']} epochs")


def _finish(root: Path, target: str, model: str, trained: Trained) -> None:
    schema = read_schema(root)
    with step("saving"):
        shipped = with_encoding(trained.model, schema.encoding)
        _save(trained, shipped, schema.digest(target), root / "runs" / target / model)


def _report(target: str, model: str, trained: Trained, epochs: str) -> None:
    for message in trained.messages:
        say(f"train {target}/{model}: {message}")
    say(
        f"train {target}/{model}: {len(trained.folds)} fold fits, mean loss {trained.folds['loss'].mean():.6g}; final "
        f"model: {epochs}"
    )


def _save(trained: Trained, model: keras.Model, schema: str, folder: Path) -> None:
    digest = save_model(model, folder / "model.keras")
    write_csv(folder / "history.csv", trained.history)
    write_csv(folder / "folds.csv", trained.folds)
    write_csv(folder / "learning.csv", trained.learning)
    write_json(folder / "weights.json", trained.weights | {"digest": digest, "schema": schema})
    if trained.fold_history is not None:
        write_csv(folder / "fold_history.csv", trained.fold_history)
    if trained.coefficients is not None:
        write_csv(folder / "coefficients.csv", trained.coefficients)
    if trained.certificate is not None:
        write_json(folder / "certificate.json", trained.certificate.to_json())


if __name__ == "__main__":
    with stage("train", target=sys.argv[1], model=sys.argv[2]):
        run(Path("."), sys.argv[1], sys.argv[2])
