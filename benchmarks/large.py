"""Seconds and peak memory on large tables: the stages of this project, and beside them other libraries, in one run.

    python benchmarks/large.py --rows 1e5 1e6

A table has 20 columns of numbers, a target that bends a little, and rows in no order. Each part is a separate process
with two threads, whose memory is its largest resident set. Other libraries read the same Parquet file, hold all rows,
and fit once; the stages of this project fit the folds too. What needs more than `--memory` gigabytes, by the rows of
the run before, is left out.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

COLUMNS, BLOCK, GROUP, THREADS = 20, 500_000, 65_536, "2"
NAMES = [f"x{number}" for number in range(COLUMNS)]
SAMPLE = 100_000  # rows that plain Keras trains on


def generate(rows: int, path: Path) -> None:
    """Write a table with the targets `y` (a number) and `z` (0 or 1) as Parquet, and as CSV beside it."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    random = np.random.default_rng(0)
    slopes = random.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    schema = pa.schema([*((name, pa.float64()) for name in NAMES), ("y", pa.float64()), ("z", pa.int64())])
    with (
        pa.parquet.ParquetWriter(path, schema) as parquet,
        pa.csv.CSVWriter(path.with_suffix(".csv"), schema) as text,
    ):
        for first in range(0, rows, BLOCK):
            size = min(BLOCK, rows - first)
            features = random.normal(size=(size, COLUMNS)).round(4)
            predictor = features @ slopes + 0.1 * (features[:, 0] ** 2 - 1)
            labels = (predictor + random.normal(size=size)).round(4)
            coins = (random.random(size) < 1 / (1 + np.exp(-predictor))).astype(np.int64)
            block = pa.table([*(pa.array(column) for column in features.T), labels, coins], schema=schema)
            parquet.write_table(block, GROUP)
            text.write_table(block)


def in_memory(path: Path, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all features `(rows, columns)` and labels."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path, columns=[*NAMES, target])
    return np.column_stack([table[name].to_numpy() for name in NAMES]), table[target].to_numpy().astype(float)


def answer(path: Path, target: str) -> None:
    """Run the whole command."""
    command = [sys.executable, "-m", "straightline", "run", str(path), "--target", target, "--effort", "quick"]
    other = "z" if target == "y" else "y"
    # In a folder beside the answer from the other file, it would take the results of that.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        subprocess.run([*command, "--exclude", other, "--out", f"{folder}/answer"], check=True, capture_output=True)


def regression(path: Path, target: str) -> None:
    """Fit the regression to all rows and in the folds, with standard errors and losses."""
    from straightline.data.schema import Feature
    from straightline.families.target import Target
    from straightline.large.division import Division
    from straightline.large.regressions import regressions
    from straightline.large.table import LargeTable
    from straightline.regression.optimum import Inference
    from straightline.runtime.terminal import silent

    known = Target(target, "gaussian" if target == "y" else "bernoulli", None if target == "y" else [0, 1])
    table = LargeTable(path, known, [Feature(name, "number") for name in NAMES], True)
    with silent():
        lines = regressions(table, Division(table.rows, 10, 0), Inference())
    assert lines.best.covariance is not None


def glum(path: Path, target: str) -> None:
    """Fit once, with standard errors."""
    from glum import GeneralizedLinearRegressor

    features, labels = in_memory(path, target)
    model = GeneralizedLinearRegressor(family="normal" if target == "y" else "binomial", alpha=0)
    model.fit(features, labels)
    model.std_errors(features, labels, robust=False)


def statsmodels(path: Path, target: str) -> None:
    """Fit once, with standard errors."""
    import statsmodels.api as sm

    features, labels = in_memory(path, target)
    design = sm.add_constant(features)
    fitted = sm.OLS(labels, design).fit() if target == "y" else sm.Logit(labels, design).fit(disp=0)
    assert np.isfinite(fitted.bse).all()


def scikit_learn(path: Path, target: str) -> None:
    """Fit once; there are no standard errors."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    features, labels = in_memory(path, target)
    newton = LogisticRegression(C=np.inf, solver="newton-cholesky")
    (LinearRegression() if target == "y" else newton).fit(features, labels)


def stochastic(path: Path, target: str) -> None:
    """Go through the row groups once, with `partial_fit`; there are no standard errors."""
    import pyarrow.parquet
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    model: Any = SGDRegressor() if target == "y" else SGDClassifier(loss="log_loss")
    options = {} if target == "y" else {"classes": [0, 1]}
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(GROUP, columns=[*NAMES, target]):
            columns = [batch.column(number).to_numpy() for number in range(COLUMNS + 1)]
            model.partial_fit(np.column_stack(columns[:-1]), columns[-1], **options)


def duckdb(path: Path, target: str) -> None:
    """Read the CSV file, and write it as Parquet."""
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute(
        f"COPY (FROM read_csv('{path.with_suffix('.csv')}', sample_size=-1)) TO '{path.parent / 'duckdb.parquet'}'"
    )


def polars(path: Path, target: str) -> None:
    """Read the CSV file in a stream, and write it as Parquet."""
    import polars

    polars.scan_csv(path.with_suffix(".csv"), infer_schema_length=None).sink_parquet(path.parent / "polars.parquet")


def keras(path: Path, target: str) -> None:
    """Train one plain network of two layers of 64 units on a sample, for five epochs."""
    import pyarrow.parquet
    from keras import Sequential, layers

    with pyarrow.parquet.ParquetFile(path) as file:
        batch = next(file.iter_batches(SAMPLE, columns=[*NAMES, target]))
    columns = [batch.column(number).to_numpy() for number in range(COLUMNS + 1)]
    end = layers.Dense(1, "linear" if target == "y" else "sigmoid")
    model = Sequential([layers.Dense(64, "relu"), layers.Dense(64, "relu"), end])
    model.compile("adam", "mse" if target == "y" else "binary_crossentropy")
    model.fit(np.column_stack(columns[:-1]), columns[-1], epochs=5, verbose=0)


PARTS: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "the whole answer, from CSV": (lambda path, target: answer(path.with_suffix(".csv"), target), "y"),
    "the whole answer, from Parquet": (answer, "y"),
    "linear regression, 5 of 10 folds": (regression, "y"),
    "glum, linear": (glum, "y"),
    "statsmodels, OLS": (statsmodels, "y"),
    "scikit-learn, LinearRegression": (scikit_learn, "y"),
    "scikit-learn, SGDRegressor, one epoch": (stochastic, "y"),
    "logistic regression, 5 of 10 folds": (regression, "z"),
    "glum, binomial": (glum, "z"),
    "statsmodels, Logit": (statsmodels, "z"),
    "scikit-learn, newton-cholesky": (scikit_learn, "z"),
    "scikit-learn, SGDClassifier, one epoch": (stochastic, "z"),
    "DuckDB, CSV to Parquet": (duckdb, "y"),
    "Polars, CSV to Parquet": (polars, "y"),
    f"plain Keras, one network on {SAMPLE:,} rows": (keras, "y"),
}


def measured(part: str, path: Path) -> dict[str, float] | None:
    """Return the seconds and the peak gigabytes of a part in a process of its own, or None if it failed."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    environment = os.environ | dict.fromkeys(names, THREADS)
    command = [sys.executable, __file__, "--part", part, "--path", str(path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return json.loads(ended.stdout.splitlines()[-1]) if not ended.returncode else None


def run_part(part: str, path: Path) -> None:
    """Run a part, and print its seconds and gigabytes."""
    compute, target = PARTS[part]
    started = time.perf_counter()
    compute(path, target)
    seconds = time.perf_counter() - started
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "gigabytes": peak * 1024 / 1e9}))


def main() -> None:
    """Print a table of all parts by numbers of rows."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6])
    options.add_argument("--memory", type=float, default=16.0, help="gigabytes that a part may take")
    options.add_argument("--only", nargs="+", default=list(PARTS), help="parts to measure")
    options.add_argument("--part", choices=list(PARTS))
    options.add_argument("--path", type=Path)
    given = options.parse_args()
    if given.part:
        run_part(given.part, given.path)
        return
    shown = Table("part", *(f"{rows:,.0f} rows" for rows in given.rows), title="seconds (gigabytes)")
    cells: dict[str, list[str]] = {part: [] for part in given.only}
    needed: dict[str, float] = {}  # gigabytes a row
    for rows in map(int, given.rows):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.parquet"
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # A child's peak begins at that of its parent.
                pool.submit(generate, rows, path).result()
            for part, row in cells.items():
                # Imports take half a gigabyte, whatever the number of rows is.
                fits = needed.get(part, 0.0) * rows < given.memory
                found = measured(part, path) if fits else None
                row.append("-" if found is None else f"{found['seconds']:.1f} ({found['gigabytes']:.2f})")
                if found is not None:
                    needed[part] = max(found["gigabytes"] - 0.5, 0.0) / rows
    for part, row in cells.items():
        shown.add_row(part, *row)
    Console().print(shown)


if __name__ == "__main__":
    main()
