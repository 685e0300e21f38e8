"""Compute the values for the tables and sentences of the report."""

from collections.abc import Sequence

import pandas as pd

from straightline.report.held_out import commonest
from straightline.report.pictures.classes import HANDFUL, Classes
from straightline.results.files import Results, Variant

COLUMNS = 4  # The report shows at most this many columns of the table.


def learning_table(variant: Variant) -> pd.DataFrame:
    """Return `rows,fold,loss`: learning.csv, extended by the losses of the same folds with all their training rows."""
    learning, folds = variant.learning, variant.folds
    complete = folds[(folds["repeat"] == 0) & (folds["seed"] == 0) & folds["fold"].isin(learning["fold"].unique())]
    ends = complete.assign(rows=complete["train_rows"])
    return pd.concat([learning[["rows", "fold", "loss"]], ends[["rows", "fold", "loss"]]], ignore_index=True)


def important_columns(dependence: Sequence[pd.DataFrame]) -> list[str]:
    """Return the names of the COLUMNS most important columns, by their partial dependence in any of the models.

    The importance of a column is the standard deviation of its partial dependence (Greenwell, Boehmke and McCarthy,
    A Simple and Effective Model-Based Variable Importance Measure, 2018, eq. 3). This includes categorical columns, so
    that the importance of all columns is in one unit. With several classes, the largest of any class counts.
    """
    spreads = [_spreads(table) for table in dependence]
    if not spreads or not len(spreads[0]):
        return []
    largest = pd.concat(spreads, axis=1).max(axis=1)
    return [str(name) for name in largest.sort_values(ascending=False, kind="stable").index[:COLUMNS]]


def _spreads(table: pd.DataFrame) -> pd.Series:
    keys = ["column", "class"] if "class" in table else ["column"]
    return table.groupby(keys, sort=False)["prediction"].std(ddof=0).groupby("column", sort=False).max()


def classes_of(results: Results, target: str) -> Classes:
    """Return the classes of a target: none if it has no classes. The commonest on held-out rows are shown."""
    names = list(map(str, results.schema.targets[target].classes or ()))
    held_out = results.variants_of(target)[0].held_out if len(names) > HANDFUL else None
    if held_out is None or not len(held_out):
        return Classes(names, range(min(len(names), HANDFUL)))
    return Classes(names, commonest(held_out, len(names), HANDFUL))


def clear_bins(effects: pd.DataFrame) -> tuple[int, int, int]:
    """Return the number of bins with a clearly lower loss of the challenger, with a clearly higher one, and of all.

    A difference is clear if the interval of the gain excludes zero.
    """
    return int((effects["gain_low"] > 0).sum()), int((effects["gain_high"] < 0).sum()), len(effects)


def more_rows(results: Results, target: str) -> list[tuple[str, int, int, float]]:
    """Return the effect of the last doubling of the rows: by model its name, rows before and after, and loss change.

    The change of the loss is a share of the loss before the doubling. The list is empty if there are too few rows.
    """
    changes = []
    for variant in results.variants_of(target):
        means = learning_table(variant).groupby("fold").tail(2).groupby("fold")[["rows", "loss"]]
        before, after = means.first().mean(), means.last().mean()
        if after["rows"] > before["rows"] and before["loss"] > 0:
            change = float(after["loss"] / before["loss"] - 1)
            changes.append((variant.model, round(before["rows"]), round(after["rows"]), change))
    return changes
