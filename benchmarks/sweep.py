"""The cost of a sweep of 500 configs, here and with other libraries: `python benchmarks/sweep.py` prints one run.

A 16-16 network, 5 learning rates x 5 penalties x 20 seeds, 5 folds, 60 epochs in batches of 32, no early stopping, on
442 rows x 10 columns (diabetes). Our sweep is the whole command: composition, search, MLflow, picture, and also the
verdict on the winner. The others only search. Searches that take too long are measured on some configs, and the cost of
the configs after the first is scaled to 500. Each search is a separate process.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_diabetes

CONFIGS, FOLDS, EPOCHS, BATCH = 500, 5, 60, 32
RATES, PENALTIES, SEEDS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), (0.0, 1e-5, 1e-4, 1e-3, 1e-2), 20
FEW, SOME = 2, 50  # Numbers of configs on which plain Keras, and scikit-learn, are measured.

PLAIN = f"""
import keras, numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

def loss(rate, penalty, seed):
    features, labels = load_diabetes(return_X_y=True, scaled=False)
    losses = []
    for train, test in KFold({FOLDS}, shuffle=True, random_state=0).split(features):
        keras.utils.set_random_seed(int(seed))
        scaler, mean, scale = StandardScaler().fit(features[train]), labels[train].mean(), labels[train].std()
        dense = dict(activation="relu", kernel_regularizer=keras.regularizers.L2(penalty))
        model = keras.Sequential([
            keras.Input((10,)), keras.layers.Dense(16, **dense), keras.layers.Dense(16, **dense), keras.layers.Dense(1)
        ])
        model.compile(optimizer=keras.optimizers.Adam(rate), loss="mean_squared_error")
        own = scaler.transform(features[train]), (labels[train] - mean) / scale
        model.fit(*own, batch_size={BATCH}, epochs={EPOCHS}, validation_split=0.2, verbose=0)
        predicted = model.predict(scaler.transform(features[test]), verbose=0)[:, 0] * scale + mean
        losses.append(np.mean((labels[test] - predicted) ** 2))
    return float(np.mean(losses))
"""
HYDRA = f"""
import hydra
{PLAIN}
@hydra.main(version_base=None, config_path=None, config_name=None)
def main(config):
    print(loss(config.rate, config.penalty, config.seed))

main()
"""
OPTUNA = f"""
import sys, optuna
{PLAIN}
def objective(trial):
    choices = {{"rate": {RATES}, "penalty": {PENALTIES}, "seed": tuple(range({SEEDS}))}}
    return loss(*(trial.suggest_categorical(key, values) for key, values in choices.items()))

optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0)).optimize(objective, n_trials=int(sys.argv[1]))
"""
SKLEARN = f"""
import sys
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.model_selection import KFold, RandomizedSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

epochs = dict(max_iter={EPOCHS}, n_iter_no_change={EPOCHS}, tol=0.0)
network = MLPRegressor(hidden_layer_sizes=(16, 16), batch_size={BATCH}, **epochs)
model = TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())
space = {{"learning_rate_init": {RATES}, "alpha": {PENALTIES}, "random_state": list(range({SEEDS}))}}
space = {{"regressor__mlpregressor__" + key: values for key, values in space.items()}}
folds = KFold({FOLDS}, shuffle=True, random_state=0)
search = RandomizedSearchCV(model, space, n_iter=int(sys.argv[1]), cv=folds, n_jobs=2, random_state=0)
search.fit(*load_diabetes(return_X_y=True, scaled=False))
"""


def main() -> None:
    """Measure each search `--times` times, and print its seconds and their ratio to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    times = parser.parse_args().times
    measured: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        table, target = load_diabetes(return_X_y=True, scaled=False, as_frame=True)
        pd.concat([table, target], axis=1).to_csv(Path(folder) / "table.csv", index=False)
        for _ in range(times):
            for name, seconds in (
                ("straightline sweep", ours(Path(folder))),
                ("scikit-learn RandomizedSearchCV, two processes", scaled(folder, SKLEARN, SOME, ["-W", "ignore"])),
                ("Hydra's launcher around Keras' fit", scaled(folder, HYDRA, FEW, multirun=True)),
                ("Optuna around Keras' fit", scaled(folder, OPTUNA, FEW)),
            ):
                measured.setdefault(name, []).append(seconds)
    best = {name: min(seconds) for name, seconds in measured.items()}
    shown = Table("", "seconds", "times ours", title=f"{CONFIGS} configs x {FOLDS} folds", title_justify="left")
    for name, seconds in best.items():
        shown.add_row(name, f"{seconds:.3g}", f"{seconds / best['straightline sweep']:.3g}")
    Console(width=100).print(shown)


def ours(folder: Path) -> float:
    """Return the seconds of the whole command."""
    return run([sys.executable, "-m", "straightline", "sweep", *words()], folder)


def words() -> list[str]:
    """Return the arguments of `straightline sweep`."""
    varied = [
        f"models.neural.learning_rate={','.join(map(str, RATES))}",
        f"models.neural.l2={','.join(map(str, PENALTIES))}",
        f"fit.seed=range(0,{SEEDS})",
    ]
    fixed = [
        "effort=single",
        f"folds.k={FOLDS}",
        f"fit.epochs={EPOCHS}",
        f"fit.patience={EPOCHS}",
        f"fit.batch_size={BATCH}",
    ]
    return [*varied, *fixed, "--table", "table.csv", "--target", "target"]


def scaled(folder: str, code: str, configs: int, options: list[str] | None = None, multirun: bool = False) -> float:
    """Return the seconds that all configs would take, from the cost of `configs` of them after the first."""
    script = Path(folder) / "other.py"
    script.write_text(code)

    def seconds(count: int) -> float:
        seeds = ",".join(map(str, range(count)))
        words = ["-m", "+rate=0.001", "+penalty=0.0001", f"+seed={seeds}"] if multirun else [str(count)]
        return run([sys.executable, *(options or []), str(script), *words], Path(folder))

    first = seconds(1)
    return first + (seconds(configs) - first) / (configs - 1) * (CONFIGS - 1)


def run(command: list[str], folder: Path) -> float:
    """Return the seconds that a process took. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
