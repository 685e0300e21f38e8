"""Where predictions are good: losses by level or quantile of each column, and what a column does to a prediction."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.comparison.sampling import evenly

BINS = 10
CONFIDENCE = 0.95  # that all intervals of a table hold at once
FEWEST, SAMPLE = 50, 500  # rows that a partial dependence averages
VALUES = 2_000_000  # that are predicted from for all columns, about

Columns = Mapping[str, NDArray]  # by name, `(rows,)`: float64 with NaN for gaps, or words as objects


def effects(columns: Columns, losses: NDArray, baseline: NDArray | None = None) -> pd.DataFrame:
    """Return the mean of `losses` `(rows,)` by level or quantile bin of each column, and the gain over `baseline`.

    A row a bin: `column,low,high,rows,loss,gain,gain_low,gain_high`. `low` and `high` of a category are its word, and
    blank where a number is missing. `gain` is the mean of `baseline` (losses of the same rows) minus `losses`, blank
    without it. Its interval is Student's for paired rows, taken as independent, and so wide that all of the table's
    hold at once at CONFIDENCE (Bonferroni); blank for bins of a single row.
    """
    bins = [(name, values, inside) for name, values in columns.items() for inside in _bins(values)]
    rows = []
    for name, values, inside in bins:
        ends = (values[inside].min(), values[inside].max())
        gain, low, high = (
            (np.nan,) * 3 if baseline is None else _interval((baseline - losses)[inside], CONFIDENCE, len(bins))
        )
        rows.append((name, *ends, int(inside.sum()), float(losses[inside].mean()), gain, low, high))
    names = ["column", "low", "high", "rows", "loss", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=names).astype({"low": object, "high": object})


def dependence(predict: Callable[[Columns], NDArray], columns: Columns) -> pd.DataFrame:
    """Return the partial dependence of a model on each column, a row a value: `column,value,prediction`.

    `prediction` is the mean of what is predicted where all rows of a sample have that value (Friedman, Greedy Function
    Approximation, Annals of Statistics 29 (2001), section 8.2). Values are the levels where they are few, else the
    medians of the bins of `effects`; of words the commonest.
    """
    rows = max(map(len, columns.values()), default=0)
    affordable = VALUES // (BINS * max(len(columns), 1) ** 2)
    chosen = evenly(rows, max(min(SAMPLE, affordable), FEWEST))
    sample = {name: values[chosen] for name, values in columns.items()}
    tables = [_dependence(predict, sample, name, _values(values)) for name, values in columns.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=["column", "value", "prediction"])


def _dependence(predict: Callable[[Columns], NDArray], sample: Columns, name: str, values: NDArray) -> pd.DataFrame:
    repeated = {other: np.tile(own, len(values)) for other, own in sample.items()}
    repeated[name] = np.repeat(values, len(sample[name]))
    means = predict(repeated).reshape(len(values), -1).mean(axis=1) if len(values) else np.empty(0)
    return pd.DataFrame({"column": name, "value": values.astype(object), "prediction": means})


def _values(values: NDArray) -> NDArray:
    bins = [values[inside] for inside in _bins(values)]
    if values.dtype == object:
        commonest = sorted(bins, key=lambda own: (-len(own), own[0]))[:BINS]
        return np.array(sorted(own[0] for own in commonest), dtype=object)
    medians = np.array([np.quantile(own, 0.5, method="lower") for own in bins], np.float64)
    return np.unique(medians[~np.isnan(medians)])


def _interval(differences: NDArray, confidence: float, intervals: int) -> tuple[float, float, float]:
    mean, rows = float(differences.mean()), len(differences)
    if rows < 2:
        return mean, np.nan, np.nan
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * intervals), rows - 1)
    reach = float(quantile * np.std(differences, ddof=1) / np.sqrt(rows))
    return mean, mean - reach, mean + reach


def _bins(values: NDArray) -> list[NDArray]:
    """Return which rows are in each bin: every level where they are few, or words, else quantiles; then the gaps."""
    words = values.dtype == object
    missing = np.zeros(len(values), bool) if words else np.isnan(values)
    present = ~missing
    bins = [missing] if missing.any() else []
    if not present.any():
        return bins
    levels = np.unique(values[present])
    if len(levels) <= BINS or words:
        return [*(present & (values == level) for level in levels), *bins]
    inner = np.unique(np.quantile(values[present], np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(inner, values, side="right")
    return [*(present & (place == number) for number in np.unique(place[present])), *bins]
