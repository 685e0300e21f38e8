"""What the report's tables and sentences are computed from."""

from collections.abc import Sequence

import pandas as pd

from straightline.results.files import Results, Variant

COLUMNS = 4  # that the report shows, at most


def learning_table(variant: Variant) -> pd.DataFrame:
    """Return `rows,fold,loss`: learning.csv, and the same folds' losses with all of their training rows."""
    shares, folds = variant.learning, variant.folds
    whole = folds[(folds["repeat"] == 0) & (folds["seed"] == 0) & folds["fold"].isin(shares["fold"].unique())]
    ends = whole.assign(rows=whole["train_rows"])
    return pd.concat([shares[["rows", "fold", "loss"]], ends[["rows", "fold", "loss"]]], ignore_index=True)


def important_columns(dependence: Sequence[pd.DataFrame]) -> list[str]:
    """Return the COLUMNS names that move predictions most, by their partial dependence in any of the models.

    A column counts as the standard deviation of its partial dependence (Greenwell, Boehmke and McCarthy, A Simple and
    Effective Model-Based Variable Importance Measure, 2018, eq. 3; for words too, so that both are in one unit).
    """
    spreads = [table.groupby("column", sort=False)["prediction"].std(ddof=0) for table in dependence]
    if not spreads or not len(spreads[0]):
        return []
    largest = pd.concat(spreads, axis=1).max(axis=1)
    return [str(name) for name in largest.sort_values(ascending=False, kind="stable").index[:COLUMNS]]


def clear_bins(effects: pd.DataFrame) -> tuple[int, int, int]:
    """Return in how many bins a challenger's loss is lower, and higher, beyond its interval, and how many there are."""
    return int((effects["gain_low"] > 0).sum()), int((effects["gain_high"] < 0).sum()), len(effects)


def more_rows(results: Results, target: str) -> list[tuple[str, int, int, float]]:
    """Return what the last doubling of the rows did: by model its name, rows before and after, and the change of loss.

    The change is a share of the loss before; nothing where rows are too few for shares of them.
    """
    changes = []
    for variant in results.variants_of(target):
        means = learning_table(variant).groupby("fold").tail(2).groupby("fold")[["rows", "loss"]]
        before, after = means.first().mean(), means.last().mean()
        if after["rows"] > before["rows"] and before["loss"] > 0:
            change = float(after["loss"] / before["loss"] - 1)
            changes.append((variant.model, round(before["rows"]), round(after["rows"]), change))
    return changes
