"""The cost of a training step, here and with other libraries: `make bench` prints the tables of one run.

Each trainer is measured in a separate process (option `--one`, which prints the figures as JSON), so that no trainer
works with the threads, flags or memory of another.
"""

import argparse
import importlib.util
import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

LEARNING_RATE = 0.001


@dataclass(frozen=True)
class Case:
    """A network `hidden` on `columns` columns; an epoch has `steps` batches of `batch` rows.

    A `binary` network predicts a probability and has cross-entropy as its loss; others predict a number, with the
    squared error.
    """

    name: str
    hidden: tuple[int, ...]
    columns: int
    batch: int
    steps: int
    replicas: int = 1
    epochs: int = 8
    binary: bool = False

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return features and labels for one epoch."""
        random = np.random.default_rng(0)
        rows = JOB_ROWS if self.name == JOB.name else self.batch * self.steps
        features = random.normal(size=(rows, self.columns))
        labels = features[:, 0] + random.normal(size=len(features))
        return features, (labels > 0).astype(float) if self.binary else labels

    def rows(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the training rows and the validation rows of each replica."""
        if self.name != JOB.name:
            rows = np.arange(self.batch * self.steps)
            return [(rows, rows[: self.batch])] * self.replicas
        random = np.random.default_rng(0)
        orders = [random.permutation(JOB_ROWS) for _ in range(self.replicas)]
        return [(order[:JOB_TRAINING], order[JOB_TRAINING:]) for order in orders]

    @property
    def activation(self) -> str:
        """The activation of the last layer."""
        return "sigmoid" if self.binary else "linear"

    @property
    def loss(self) -> str:
        """The name of the loss in Keras."""
        return "binary_crossentropy" if self.binary else "mean_squared_error"


CASES = (
    Case("one Dense, batch 32, 3 columns", (), 3, 32, 1000),
    Case("16-16, batch 32, 3 columns", (16, 16), 3, 32, 1000),
    Case("16-16, batch 32, 3 columns, binary", (16, 16), 3, 32, 1000, binary=True),
    Case("64-64, batch 256, 50 columns", (64, 64), 50, 256, 20),
)
JOB = Case("10 x 10 folds x 3 seeds, 442 x 10 table, 60 epochs", (16, 16), 10, 32, 13, 300, 60)
JOB_ROWS, JOB_TRAINING = 442, 398


def ours(case: Case) -> dict[str, float]:
    """Measure `training.fit`: the compiled stack, with two threads; shuffling and the monitored loss are included."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline import families
    from straightline.data.rows import Rows
    from straightline.data.source import held
    from straightline.models import Neural, Regression
    from straightline.training import fit
    from straightline.training.batches import Replica

    features, labels = case.table()
    replicas = [Replica(*rows, seed) for seed, rows in enumerate(case.rows())]
    settings = fit.Settings(
        family=families.Bernoulli() if case.binary else families.Gaussian(),
        optimizer="adam",
        momentum=0.0,
        learning_rate=LEARNING_RATE,
        schedule="constant",
        l2=0.0,
        batch_size=case.batch,
        steps=case.steps,
        epochs=case.epochs,
        patience=case.epochs,
        standardize=True,
    )
    common = {"learning_rate": LEARNING_RATE, "schedule": "constant"}
    model = (
        Neural(
            kind="neural",
            hidden=list(case.hidden),
            activation="relu",
            l2=0.0,
            dropout=0.0,
            from_regression=False,
            **common,
        )
        if case.hidden
        else Regression(kind="regression", finish="none", robust=False, terms="linear", intercept=True, **common)
    ).build(case.columns, 1, "linear")
    marks = [(0, time.perf_counter())]
    source = held(Rows(features, labels))
    fit.fit(model, source, replicas, settings, lambda epoch, *_: marks.append((epoch, time.perf_counter())))
    whole = marks[-1][1] - marks[0][1]
    (_, start), (before, first), *_, (epochs, end) = marks
    return {"epoch": (end - first) / (epochs - before), "first": first - start, "whole": whole, "peak": _peak()}


def keras_fit(case: Case, whole_epoch: bool, jit: bool) -> dict[str, float]:
    """Measure `model.fit` of one network; `whole_epoch` runs an epoch in one call of the compiled function."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    import keras

    features, labels = case.table()
    if case.name == JOB.name:
        features, labels = features[:JOB_TRAINING], labels[:JOB_TRAINING]
    layers = [keras.layers.Dense(units, activation="relu") for units in case.hidden]
    model = keras.Sequential([keras.Input((case.columns,)), *layers, keras.layers.Dense(1, activation=case.activation)])
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        case.loss,
        steps_per_execution=case.steps if whole_epoch else 1,
        jit_compile=jit,
    )
    marks = [time.perf_counter()]
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: marks.append(time.perf_counter()))
    model.fit(
        features.astype(np.float32),
        labels.astype(np.float32),
        batch_size=case.batch,
        epochs=case.epochs,
        verbose=0,
        callbacks=[callback],
    )
    return _of_marks(marks)


def scikit_learn(case: Case) -> dict[str, float]:
    """Measure MLPRegressor or MLPClassifier with one network."""
    import warnings

    from sklearn.neural_network import MLPClassifier, MLPRegressor

    warnings.simplefilter("ignore")  # The number of epochs is fixed, so the networks may not have converged.
    features, labels = case.table()
    if case.name == JOB.name:
        features, labels = features[:JOB_TRAINING], labels[:JOB_TRAINING]
    model = (MLPClassifier if case.binary else MLPRegressor)(
        hidden_layer_sizes=case.hidden,
        batch_size=min(case.batch, len(labels)),
        max_iter=case.epochs,
        n_iter_no_change=case.epochs,
        alpha=0.0,
    )
    start = time.perf_counter()
    model.fit(features.astype(np.float32), labels.astype(np.float32))
    whole = time.perf_counter() - start
    return {"epoch": whole / case.epochs, "first": 0.0, "whole": whole, "peak": _peak()}


def jax_twin(case: Case, trailing: bool, threads: int) -> dict[str, float]:
    """Measure hand-written JAX: `lax.scan` over batches, `vmap` over replicas, Adam, and batches shuffled as ours are.

    Each replica has its own rows and scales columns and target by them. After each epoch it computes the loss on
    validation rows and keeps the weights if this loss is the lowest so far, as our trainer does. It never stops early,
    and it repeats rows to fill the last batch, which is smaller in our trainer. `trailing` puts the replica axis last;
    `threads` divides the replicas between threads.
    """
    from concurrent.futures import ThreadPoolExecutor

    import jax
    import jax.numpy as jnp

    table = np.column_stack(case.table()).astype(np.float32)
    known = jnp.asarray(table)
    scaled = case.columns + (not case.binary)
    axis = -1 if trailing else 0
    sides = [case.columns, *case.hidden, 1]

    def loss(weights: Any, rows: Any, fixed: Any) -> Any:
        values = (known[rows] - fixed[0]) / fixed[1]
        outputs, labels = values[:, :-1], values[:, -1]
        for number, (kernel, bias) in enumerate(weights):
            outputs = outputs @ kernel + bias
            outputs = jax.nn.relu(outputs) if number < len(weights) - 1 else outputs
        if case.binary:
            return jnp.mean(jax.nn.softplus(outputs[:, 0]) - labels * outputs[:, 0])
        return jnp.mean((outputs[:, 0] - labels) ** 2)

    def step(state: Any, rows: Any, fixed: Any) -> Any:
        weights, first, second, count = state
        value, gradient = jax.value_and_grad(loss)(weights, rows, fixed)
        count = count + 1
        first = jax.tree.map(lambda m, g: m + (g - m) * 0.1, first, gradient)
        second = jax.tree.map(lambda v, g: v + (g * g - v) * 0.001, second, gradient)
        rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, first, second)
        return (weights, first, second, count), value

    def epoch(state: Any, batches: Any, fixed: Any) -> Any:
        *state, best, least = state
        state, values = jax.lax.scan(partial(step, fixed=fixed), tuple(state), batches)
        held = loss(state[0], fixed[2], fixed)
        best = jax.tree.map(lambda new, old: jnp.where(held < least, new, old), state[0], best)
        return (*state, best, jnp.minimum(held, least)), (values.mean(), held)

    stacked = jax.jit(jax.vmap(epoch, in_axes=(axis, 0, 0), out_axes=(axis, 0)))

    def start(count: int) -> Any:
        random = np.random.default_rng(0)
        weights = [
            (random.normal(size=(count, a, b)).astype(np.float32) / a**0.5, np.zeros((count, b), np.float32))
            for a, b in itertools.pairwise(sides)
        ]
        zeros = jax.tree.map(np.zeros_like, weights)
        state = (weights, zeros, zeros, np.zeros(count, np.float32), zeros, np.full(count, np.inf, np.float32))
        return jax.tree.map(lambda array: np.moveaxis(array, 0, axis), state)

    def run(state: Any, rows: np.ndarray, fixed: Any, random: np.random.Generator) -> Any:
        return jax.block_until_ready(stacked(state, _shuffled(rows, case, random), fixed))[0]

    threads = min(threads, case.replicas)
    marks = [time.perf_counter()]
    training, watched = zip(*case.rows(), strict=True)
    scalings = {id(rows): _scaling(table, rows, scaled) for rows in training}
    fixed = [*map(np.stack, zip(*(scalings[id(rows)] for rows in training), strict=True)), np.stack(watched)]
    repeated = np.stack([np.resize(rows, case.steps * case.batch) for rows in training])
    parts = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(case.replicas), threads)]
    states = [start(part.stop - part.start) for part in parts]
    inputs = [
        (repeated[part], [jnp.asarray(array[part]) for array in fixed], np.random.default_rng(part.start))
        for part in parts
    ]
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(case.epochs):
            states = list(pool.map(run, states, *zip(*inputs, strict=True)))
            marks.append(time.perf_counter())
    return _of_marks(marks)


def _scaling(table: np.ndarray, rows: np.ndarray, scaled: int) -> tuple[np.ndarray, np.ndarray]:
    center, scale = np.zeros(table.shape[1], np.float32), np.ones(table.shape[1], np.float32)
    center[:scaled], scale[:scaled] = table[rows, :scaled].mean(axis=0), table[rows, :scaled].std(axis=0)
    return center, scale


def _shuffled(rows: np.ndarray, case: Case, random: np.random.Generator) -> np.ndarray:
    return random.permuted(rows, axis=1).astype(np.int32).reshape(len(rows), case.steps, case.batch)


TRAINERS: dict[str, Callable[[Case], dict[str, float]]] = {
    "straightline": ours,
    "Keras model.fit": lambda case: keras_fit(case, whole_epoch=False, jit=False),
    "Keras, steps_per_execution=epoch": lambda case: keras_fit(case, whole_epoch=True, jit=False),
    "Keras, steps_per_execution=epoch, jit_compile": lambda case: keras_fit(case, whole_epoch=True, jit=True),
    "scikit-learn": scikit_learn,
    "JAX scan + vmap": lambda case: jax_twin(case, trailing=False, threads=1),
    "JAX scan + vmap, 2 threads": lambda case: jax_twin(case, trailing=False, threads=2),
    "JAX scan + vmap, replicas last": lambda case: jax_twin(case, trailing=True, threads=1),
    "JAX scan + vmap, replicas last, 2 threads": lambda case: jax_twin(case, trailing=True, threads=2),
}
SINGLE = [name for name in TRAINERS if name.startswith(("Keras", "scikit"))]
JAX = [name for name in TRAINERS if name.startswith("JAX")]


def _of_marks(marks: list[float]) -> dict[str, float]:
    return {
        "epoch": (marks[-1] - marks[1]) / (len(marks) - 2),
        "first": marks[1] - marks[0],
        "whole": marks[-1] - marks[0],
        "peak": _peak(),
    }


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(trainer: str, case: Case, repeats: int) -> dict[str, float]:
    """Return the medians of the figures of `repeats` processes."""
    command = [sys.executable, __file__, "--one", trainer, json.dumps(asdict(case))]
    runs = []
    for _ in range(repeats):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{trainer}, {case.name}: {done.stderr.strip().splitlines()[-1]}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _jobs(trainers: list[str], quick: bool) -> list[tuple[str, Case]]:
    stacks = (1, 64) if quick else (1, 16, 64, 300)
    jobs = []
    for case in CASES:
        for trainer in trainers:
            counts = (1,) if trainer in SINGLE else stacks
            for count in counts:
                epochs = max(8, min(64, 65_536 // (case.steps * count))) if trainer == "straightline" else 4
                jobs.append((trainer, Case(**(asdict(case) | {"replicas": count, "epochs": epochs}))))
    return jobs


def _steps_table(trainers: list[str], quick: bool, repeats: int, console: Console) -> None:
    table = Table("case", "trainer", "replicas", "us per replica-step", "first call, s", title="A training step")
    for trainer, case in track(_jobs(trainers, quick), "steps", console=console, transient=True):
        figures = measure(trainer, case, repeats)
        cost = figures["epoch"] / case.steps / case.replicas * 1e6
        table.add_row(case.name, trainer, str(case.replicas), f"{cost:.2f}", f"{figures['first']:.2f}")
    console.print(table)


def _whole_table(trainers: list[str], repeats: int, console: Console) -> None:
    table = Table("trainer", "seconds", "measured", "times straightline", title=f"The whole job: {JOB.name}")
    known = measure("straightline", JOB, repeats)["whole"]
    table.add_row("straightline", f"{known:.2f}", "300 fits, compiling included", "1.0")
    for trainer in track([name for name in trainers if name != "straightline"], "job", console=console, transient=True):
        single = trainer in SINGLE
        figures = measure(trainer, Case(**(asdict(JOB) | {"replicas": 1 if single else 300})), repeats)
        whole = figures["whole"] * (300 if single else 1)
        how = f"one fit of {figures['whole']:.2f} s, times 300" if single else "300 fits, compiling included"
        table.add_row(trainer, f"{whole:.1f}", how, f"{whole / known:.1f}")
    console.print(table)


def _growth_table(repeats: int, console: Console) -> None:
    base = Case("growth", (16, 16), 10, 32, 300, 16, 6)
    grown: dict[str, list[dict[str, Any]]] = {
        "rows": [{"steps": steps} for steps in (300, 1200, 4800)],
        "replicas": [{"replicas": count} for count in (16, 64, 256)],
        "width": [{"hidden": (width, width)} for width in (16, 64, 256)],
        "columns": [{"columns": columns} for columns in (10, 40, 160)],
    }
    table = Table("grows", "to", "s per epoch", "MiB at most", title="Growth: 16-16, 9,600 rows x 10, 16 replicas, and")
    changes = [(name, change) for name, several in grown.items() for change in several]
    for name, change in track(changes, "growth", console=console, transient=True):
        case = Case(**(asdict(base) | change))
        figures = measure("straightline", case, repeats)
        value = case.steps * case.batch if name == "rows" else next(iter(change.values()))
        table.add_row(name, str(value), f"{figures['epoch']:.3f}", f"{figures['peak']:.0f}")
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("TRAINER", "CASE"), help="measure one trainer, print JSON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two stacks instead of four, no growth")
    options = parser.parse_args()
    if options.one:
        trainer, values = options.one
        case = Case(**json.loads(values))
        print(json.dumps(TRAINERS[trainer](Case(**(asdict(case) | {"hidden": tuple(case.hidden)})))))
        return
    console = Console()
    trainers = list(TRAINERS)
    if importlib.util.find_spec("jax") is None:
        trainers = [name for name in trainers if name not in JAX]
        console.print("JAX is not installed and is left out: `make bench` installs it")
    _whole_table(trainers, options.repeats, console)
    _steps_table(trainers, options.quick, options.repeats, console)
    if not options.quick:
        _growth_table(options.repeats, console)


if __name__ == "__main__":
    main()
