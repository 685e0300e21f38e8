"""The losses of boosted trees in the folds of a large table, for orientation (`comparison/trees.py`)."""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from straightline.comparison.trees import BOOSTED, TREE_ROWS, boosted, without_offset
from straightline.large.division import Division
from straightline.large.passes import THREADED, Engine, collected
from straightline.large.scoring import loss_sums
from straightline.large.table import LargeTable
from straightline.runtime.steps import step

SCORED_ROWS = 250_000  # Trees predict slowly: a million rows take seconds.


def tree_folds(table: LargeTable, division: Division, seed: int, engine: Engine = THREADED) -> pd.DataFrame:
    """Return a table like folds.csv of boosted trees in each fold.

    They train on at most TREE_ROWS rows of a fold, and are scored on a sample of about SCORED_ROWS rows of the table.
    """
    block = collected(table, min(SCORED_ROWS, table.rows), "rows for trees", engine)
    cells = division.cells_of(block.keys)
    rows = []
    # Threads of OpenMP wait for each other without sleeping, so that beside other work two are far slower than one.
    with threadpool_limits(1, user_api="openmp"), step("trees") as reached:
        for fold in division.folds:
            train = np.flatnonzero(division.is_trained(fold)[cells])
            some = np.random.default_rng([seed, fold]).permutation(len(train))[:TREE_ROWS]
            fitted = without_offset(table.family, block.rows.take(np.sort(train[some]).astype(np.int32)))
            predict = boosted(table.family, fitted, seed)
            test = block.rows.take(np.flatnonzero(cells == division.test_cell(fold)).astype(np.int32))
            baseline = table.family.baseline(fitted.labels, fitted.weights)
            loss, _ = loss_sums(table.family, test, [predict], baseline)
            rows.append(
                {"repeat": 0, "fold": fold, "rows": len(test), "train_rows": len(train), "model": BOOSTED}
                | {"loss": loss / test.total}
            )
            reached(f"{fold + 1} of {len(division.folds)} folds")
    return pd.DataFrame(rows)
