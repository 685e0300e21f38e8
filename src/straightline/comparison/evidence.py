"""What fold losses rest on: what each model was given, and how much of their spread is the initialisation's."""

import numpy as np
import pandas as pd

from straightline.comparison.verdict import Ledger, Spread


def fold_means(folds: pd.DataFrame) -> pd.Series:
    """Return the loss of each fold by (repeat, fold), averaged over a network's seeds; predictions never are."""
    return folds.groupby(["repeat", "fold"])["loss"].mean()


def ledger(folds: pd.DataFrame, configs: int = 1) -> Ledger:
    """Return what is behind a model's folds.csv; `configs` says of how many the model was selected."""
    return Ledger(configs, len(folds), int(folds["epochs"].sum()), int(folds["steps"].sum()))


def spread(folds: pd.DataFrame) -> Spread:
    """Return the spread of the losses of folds.csv.

    Folds are a random effect and seeds repeat within them, so that the estimates are those of a balanced one-way
    analysis of variance (Searle, Casella and McCulloch 1992, section 3.5); where seeds differ by more than folds do,
    that of folds is 0.
    """
    losses = folds.pivot(index=["repeat", "fold"], columns="seed", values="loss").to_numpy()
    seeds = losses.shape[1]
    of_means = float(np.var(losses.mean(axis=1), ddof=1))
    if seeds == 1:
        return Spread(of_means**0.5, None, None)
    of_seeds = float(np.var(losses, axis=1, ddof=1).mean())
    of_folds = max(of_means - of_seeds / seeds, 0.0)
    share = min(of_seeds / seeds / of_means, 1.0) if of_means > 0 else 0.0
    return Spread(of_folds**0.5, of_seeds**0.5, share)
