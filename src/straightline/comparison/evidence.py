"""What fold losses rest on: what each model was given, and how much of their spread is the initialisation's."""

from typing import Any

import numpy as np
import pandas as pd


def ledger(folds: pd.DataFrame, configs: int = 1) -> dict[str, int]:
    """Return the fits, epochs and gradient steps behind a model's folds.csv, and the number of `configs` tried."""
    sums = {key: int(folds[key].sum()) for key in ("epochs", "steps")}
    return {"configs": configs, "fits": len(folds), **sums}


def spread(folds: pd.DataFrame) -> dict[str, Any]:
    """Return standard deviations of a model's losses `between_folds` and `between_seeds` of a fold.

    Folds are a random effect and seeds repeat within them, so that the estimates are those of a balanced one-way
    analysis of variance (Searle, Casella and McCulloch 1992, section 3.5); where seeds differ by more than folds do,
    that of folds is 0. `seed_share` is the share of the variance of a fold's mean loss that more seeds would take away.
    With one seed it and `between_seeds` are None.
    """
    losses = folds.pivot(index=["repeat", "fold"], columns="seed", values="loss").to_numpy()
    seeds = losses.shape[1]
    of_means = float(np.var(losses.mean(axis=1), ddof=1))
    if seeds == 1:
        return {"between_folds": of_means**0.5, "between_seeds": None, "seed_share": None}
    of_seeds = float(np.var(losses, axis=1, ddof=1).mean())
    of_folds = max(of_means - of_seeds / seeds, 0.0)
    share = min(of_seeds / seeds / of_means, 1.0) if of_means > 0 else 0.0
    return {"between_folds": of_folds**0.5, "between_seeds": of_seeds**0.5, "seed_share": share}
