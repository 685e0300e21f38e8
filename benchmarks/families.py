"""Exact fits of each family beside glum, statsmodels and scikit-learn's newton-cholesky, all in one run.

    python benchmarks/families.py --rows 100000 1000000

Each fit is a separate process with two threads, which makes the table, imports its library, fits once to a small table,
and then measures a fit to the whole table with its standard errors, where the library has them. A ratio is the time
divided by that of the fastest library, whether that gives standard errors or not. The last column is the largest
difference to the coefficients of this project, in standard errors: a library that stops early is quicker.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

COLUMNS, CLASSES, THREADS = 50, 3, "2"
FAMILIES = ("gaussian", "bernoulli", "multinomial", "poisson", "gamma")
LIBRARIES = ("straightline", "glum", "statsmodels", "scikit-learn")
Fitted = tuple[NDArray, NDArray | None]  # coefficients and standard errors of the slopes, (columns,) or more axes


def table(family: str, rows: int) -> tuple[NDArray, NDArray]:
    """Return features `(rows, columns)` and labels drawn from the family, with a linear predictor of variance 1."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, COLUMNS))
    predictor = features @ random.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    if family == "gaussian":
        return features, predictor + random.normal(size=rows)
    if family == "bernoulli":
        return features, (random.random(rows) < 1 / (1 + np.exp(-predictor))).astype(float)
    if family == "poisson":
        return features, random.poisson(np.exp(predictor)).astype(float)
    if family == "gamma":
        return features, random.gamma(2.0, np.exp(predictor) / 2)
    other = features @ random.normal(size=COLUMNS) / np.sqrt(COLUMNS)
    noisy = np.column_stack([np.zeros(rows), predictor, other]) + random.gumbel(size=(rows, CLASSES))
    return features, noisy.argmax(axis=1).astype(float)


def straightline(family: str, features: NDArray, labels: NDArray) -> Fitted:
    """Return the exact optimum of this project."""
    from straightline.data.rows import Rows
    from straightline.families import FAMILIES as KNOWN
    from straightline.families import Multinomial
    from straightline.regression import exact
    from straightline.runtime.terminal import silent

    known = Multinomial(CLASSES) if family == "multinomial" else KNOWN[family]
    with silent():
        found = exact.optimum(Rows(features, labels), known, [f"x{number}" for number in range(COLUMNS)])
    assert found.covariance is not None
    errors = np.sqrt(np.diag(found.covariance)).reshape(-1, 1 + COLUMNS)[:, 1:]
    return found.coefficients[1:].T.reshape(errors.shape), errors


def glum(family: str, features: NDArray, labels: NDArray) -> Fitted:
    """Return glum's fit without a penalty; it has no multinomial regression."""
    from glum import GeneralizedLinearRegressor

    names = {"gaussian": "normal", "bernoulli": "binomial", "poisson": "poisson", "gamma": "gamma"}
    options: dict[str, Any] = {"link": "log"} if family == "gamma" else {}
    model = GeneralizedLinearRegressor(family=names[family], alpha=0, gradient_tol=1e-8, **options)
    model.fit(features, labels)
    return model.coef_, model.std_errors(features, labels, robust=False)[1:]


def statsmodels(family: str, features: NDArray, labels: NDArray) -> Fitted:
    """Return statsmodels' fit by Newton's method or by iterated least squares."""
    import statsmodels.api as sm

    design = sm.add_constant(features)
    if family == "gaussian":
        found = sm.OLS(labels, design).fit()
    elif family == "bernoulli":
        found = sm.Logit(labels, design).fit(disp=0, method="newton")
    elif family == "multinomial":
        found = sm.MNLogit(labels, design).fit(disp=0, method="newton")
    else:
        kind = sm.families.Poisson() if family == "poisson" else sm.families.Gamma(sm.families.links.Log())
        found = sm.GLM(labels, design, family=kind).fit()
    return np.asarray(found.params).T[..., 1:], np.asarray(found.bse).T[..., 1:]


def scikit_learn(family: str, features: NDArray, labels: NDArray) -> Fitted:
    """Return scikit-learn's fit without a penalty. It has no standard errors."""
    from sklearn import linear_model

    if family == "gaussian":
        return linear_model.LinearRegression().fit(features, labels).coef_, None
    if family in ("bernoulli", "multinomial"):
        model = linear_model.LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(features, labels)
        # Of several classes it gives coefficients for all, of which only the differences are determined.
        return (model.coef_[1:] - model.coef_[0] if family == "multinomial" else model.coef_), None
    kind = linear_model.PoissonRegressor if family == "poisson" else linear_model.GammaRegressor
    return kind(alpha=0, solver="newton-cholesky", tol=1e-8, max_iter=100).fit(features, labels).coef_, None


FITS: dict[str, Callable[[str, NDArray, NDArray], Fitted]] = {
    "straightline": straightline,
    "glum": glum,
    "statsmodels": statsmodels,
    "scikit-learn": scikit_learn,
}
IMPORTS = {"straightline": "straightline.regression.exact", "scikit-learn": "sklearn.linear_model"}


def measure(library: str, family: str, rows: int) -> dict[str, Any]:
    """Return seconds, peak memory in bytes, coefficients and standard errors of a fit."""
    warnings.simplefilter("ignore")
    importlib.import_module(IMPORTS.get(library, library))
    FITS[library](family, *table(family, 2_000))
    features, labels = table(family, rows)
    start = time.perf_counter()
    coefficients, errors = FITS[library](family, features, labels)
    return {
        "seconds": time.perf_counter() - start,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "coefficients": np.ravel(coefficients).tolist(),
        "errors": None if errors is None else np.ravel(errors).tolist(),
    }


def main() -> None:
    """Print a table for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--one", nargs=3, metavar=("LIBRARY", "FAMILY", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        library, family, rows = options.one
        json.dump(measure(library, family, int(rows)), sys.stdout)
        return
    for rows in options.rows:
        shown = Table(title=f"{rows:,} rows x {COLUMNS} columns", title_justify="left")
        for name in ("family", "library", "seconds", "ratio", "standard errors", "peak memory", "difference"):
            shown.add_column(name, justify="left" if name in ("family", "library") else "right")
        for family in track(options.families, f"{rows:,} rows", console=Console(stderr=True)):
            _add_rows(shown, family, rows)
        Console(width=120).print(shown)


def _add_rows(shown: Table, family: str, rows: int) -> None:
    found = {
        library: _measured(library, family, rows)
        for library in LIBRARIES
        if (library, family) != ("glum", "multinomial")
    }
    fastest = min(each["seconds"] for each in found.values())
    known = found["straightline"]
    for library, each in found.items():
        difference = np.abs(np.subtract(each["coefficients"], known["coefficients"])) / known["errors"]
        shown.add_row(
            family,
            library,
            f"{each['seconds']:.3g}",
            f"{each['seconds'] / fastest:.2f}",
            "no" if each["errors"] is None else "yes",
            f"{each['memory'] / 2**20:,.0f} MiB",
            "-" if library == "straightline" else f"{difference.max():.1g}",
        )
    shown.add_section()


def _measured(library: str, family: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", library, family, str(rows)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), THREADS)
    printed = subprocess.run(command, env=os.environ | threads, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(printed))


if __name__ == "__main__":
    main()
