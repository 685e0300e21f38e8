"""Stage `reference`: what trees lose in the folds of the comparison, for orientation."""

from pathlib import Path

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import pandas as pd

from straightline.comparison.trees import tree_folds
from straightline.config.settings import Config, load
from straightline.data.schema import read_schema
from straightline.data.training_table import training_table
from straightline.large import trees
from straightline.large.division import divided
from straightline.large.table import large_table
from straightline.runtime.artifacts import write_csv
from straightline.runtime.stage import stage, timed

COLUMNS = ["repeat", "fold", "rows", "train_rows", "model", "loss"]


def run(root: Path) -> None:
    """Write references/<target>.csv below `root` for each target; without a reference the table has no rows."""
    config = load(root / "params.yaml")
    for target in config.targets:
        table = _folds(root, config, target) if config.reference == "trees" else pd.DataFrame(columns=COLUMNS)
        write_csv(root / f"references/{target}.csv", table)
        for model, folds in table.groupby("model"):
            say(f"reference: {target}: {model}: {len(folds)} folds, mean loss {folds['loss'].mean():.6g}")


def run_timed(root: Path) -> None:
    """Do as `run`, and measure the time: `straightline run` calls it in another process."""
    with timed(root, "reference"):
        run(root)


def _folds(root: Path, config: Config, target: str) -> pd.DataFrame:
    """Return the losses in the first repeat of the folds of all models."""
    if read_schema(root).is_large:
        large = large_table(root, target)
        return trees.tree_folds(large, divided(large.rows, config.folds, large.ordered), config.folds.seed)
    with training_table(root, target, config.fit.held_rows) as table:
        folds = config.folds
        return tree_folds(table, table.split.folds(len(table.labels), folds.k, 1, folds.seed), folds.seed)


if __name__ == "__main__":
    with stage("reference"):
        run(Path("."))
