"""The evidence behind fold losses: the training effort of each model, and the spread of losses by folds and seeds."""

import numpy as np
import pandas as pd

from straightline.comparison.verdict import Ledger, Spread
from straightline.formatting import percent


def fold_means(folds: pd.DataFrame, loss: str = "loss") -> pd.Series:
    """Return the column `loss` of each fold by (repeat, fold).

    Losses are averaged over a network's seeds; predictions are never averaged.
    """
    return folds.groupby(["repeat", "fold"])[loss].mean()


def ledger(folds: pd.DataFrame, configs: int = 1) -> Ledger:
    """Return the training effort behind a model's folds.csv. The model was selected from `configs` configs.

    The fits of an averaged network are all networks that it chose from.
    """
    fits = int(folds["networks"].sum()) if "networks" in folds else len(folds)
    candidates = int(folds["candidates"].max()) if "candidates" in folds else 1
    return Ledger(configs, fits, int(folds["epochs"].sum()), int(folds["steps"].sum()), candidates)


def choice_sentence(model: str, folds: pd.DataFrame) -> str | None:
    """Return what an averaged network chose most often in the folds of its folds.csv, or None for another model."""
    if "networks" not in folds:
        return None
    line = f"the mean share of the line is {folds['line'].mean():.2f}."
    if folds["candidates"].max() == 1:
        first = folds.iloc[0]
        return (
            f"{model} averages networks with hidden layers {first['hidden']}, learning rate "
            f"{first['learning_rate']:.3g} and L2 {first['l2']:.3g}; {line}"
        )
    words = []
    for key, title in (("hidden", "hidden layers"), ("learning_rate", "learning rate"), ("l2", "L2")):
        # Penalties that differ by the rows of their folds only are shown as equal.
        shown = folds[key].map(lambda value: value if isinstance(value, str) else f"{value:.3g}")
        most = shown.mode().iloc[0]
        words.append(f"{title} {most} in {int((shown == most).sum()):,}")
    return (
        f"{model} chose among {folds['candidates'].max():,} networks in each of {len(folds):,} folds: "
        f"{', '.join(words)}; {line}"
    )


def ridge_sentence(model: str, folds: pd.DataFrame, penalty: float) -> str | None:
    """Return how often the regression of this folds.csv is a ridge regression, and what that changes, or None if never.

    `penalty` is that of the saved model.
    """
    shrunk = int((folds["l2"] > 0).sum())
    if not shrunk and not penalty:
        return None
    gain = 1 - folds["loss"].mean() / folds["plain_loss"].mean()
    change = f"{'lowers' if gain >= 0 else 'raises'} its loss by {percent(abs(gain))}"
    where = f"{shrunk:,} of {len(folds):,} folds"
    saved = (
        f"The saved model is shrunk, with the penalty {penalty:.3g}." if penalty else "The saved model is not shrunk."
    )
    if penalty and gain > 0:
        return f"{model} is better shrunk: ridge, chosen in {where}, {change}. {saved}"
    return f"Ridge was chosen for {model} in {where} and {change}. {saved}"


def spread(folds: pd.DataFrame) -> Spread:
    """Return the spread of the losses in folds.csv.

    Folds are a random effect, and seeds are repetitions within a fold. The estimates are therefore those of a balanced
    one-way analysis of variance (Searle, Casella and McCulloch 1992, section 3.5). If the estimate for the variance of
    folds is negative, it is set to 0.
    """
    losses = folds.pivot(index=["repeat", "fold"], columns="seed", values="loss").to_numpy()
    seeds = losses.shape[1]
    mean_variance = float(np.var(losses.mean(axis=1), ddof=1))
    if seeds == 1:
        return Spread(mean_variance**0.5, None, None)
    seed_variance = float(np.var(losses, axis=1, ddof=1).mean())
    fold_variance = max(mean_variance - seed_variance / seeds, 0.0)
    share = min(seed_variance / seeds / mean_variance, 1.0) if mean_variance > 0 else 0.0
    return Spread(fold_variance**0.5, seed_variance**0.5, share)
