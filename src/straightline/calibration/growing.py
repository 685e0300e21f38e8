"""The outcomes of simulated tables whose networks learn from growing samples, as those of large tables do."""

from pathlib import Path

import numpy as np
import pandas as pd

from straightline.calibration.outcome import Outcome
from straightline.comparison.significance import FoldLosses
from straightline.config.settings import Fit, Folds
from straightline.data.schema import Feature
from straightline.data.training_table import TrainingTable
from straightline.families.target import Target
from straightline.large.division import Division
from straightline.large.networks import train_network
from straightline.large.passes import THREADED
from straightline.large.regressions import regressions
from straightline.large.table import LargeTable
from straightline.models import Averaged, Neural, Regression
from straightline.runtime.leftovers import temporary_folder

GROUP_ROWS = 4_000  # rows of a row group


def growing_outcome(
    table: TrainingTable,
    model_settings: Neural | Averaged,
    baseline: Regression,
    fit_settings: Fit,
    folds: Folds,
    seed: int,
) -> Outcome:
    """Return the outcome of the regression on all rows of `table` and of a network on growing samples of them."""
    with temporary_folder() as folder:
        large = _written(table, folder / "rows.parquet")
        division = Division(large.rows, folds.k, seed, most=folds.large)
        lines = regressions(large, division, None, baseline.intercept).folds
        trained, grown = train_network(large, division, model_settings, fit_settings, THREADED)
    losses = {"regression": np.array([line.loss for line in lines]), "network": trained.folds["loss"].to_numpy()}
    without_columns = np.array([line.mean_loss for line in lines])
    learning = [] if grown.is_flat else ["network"]
    rows = grown.looks[-1].rows
    return Outcome(FoldLosses(losses, "regression", without_columns, folds.k, None, grown.planned, learning), rows)


def _written(table: TrainingTable, path: Path) -> LargeTable:
    rows = table.source.read(table.source.groups)
    frame = pd.DataFrame(rows.features, columns=list(table.names)).assign(target=rows.labels)
    frame.to_parquet(path, index=False, row_group_size=GROUP_ROWS)
    classes = list(range(table.family.outputs + 1)) if table.family.is_of_classes else None
    features = [Feature(name, "number") for name in table.names]
    return LargeTable(path, Target("target", table.family.name, classes), features, table.standardize)
