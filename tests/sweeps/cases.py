"""Spaces and tables that the tests of sweeps share."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.data.training_table import TrainingTable
from straightline.stages import compose
from straightline.sweeps.space import Space, space
from tests.builders import quick, rows_of, training_table
from tests.conftest import ROOT

QUICK = quick(hidden=4, epochs=4, k=3)
SWEEP = ("sweep", "models.neural.learning_rate=0.003,0.03,0.1", "models.neural.dropout=0,1.5", *QUICK)
OWN = ("--table", "own.csv", "--target", "y", "--no-track")


def space_of(*overrides: str) -> Space:
    """Return the space that overrides of conf/ stand for."""
    return space(overrides, lambda fixed: yaml.safe_load(compose.render(ROOT / "conf", fixed)))


def curved(family: str = "gaussian", rows: int = 120) -> TrainingTable:
    """Return a table whose target has a square that no straight line follows."""
    random = np.random.default_rng(3)
    features = random.normal(size=(rows, 2))
    labels = features[:, 0] + features[:, 1] ** 2 + 0.3 * random.normal(size=rows)
    return training_table(features, labels if family == "gaussian" else (labels > 1).astype(float), family)


def write_own(folder: Path) -> None:
    """Write a curved table as own.csv."""
    rows = rows_of(curved(rows=150))
    pd.DataFrame(rows.features, columns=["a", "b"]).assign(y=rows.labels).to_csv(folder / "own.csv", index=False)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])
