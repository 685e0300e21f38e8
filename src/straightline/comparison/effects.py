"""Losses by level or quantile bin of each column, and the effect of each column on predictions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.comparison.sampling import evenly

BINS = 10
CONFIDENCE = 0.95  # The joint confidence of all intervals in a table.
FEWEST, SAMPLE = 50, 500  # The smallest and the largest number of rows that a partial dependence averages.
VALUES = 2_000_000  # The approximate number of input values for the predictions of all columns.
MOST_COLUMNS = 50  # Of more columns, only those that predictions follow most have effects.

Columns = Mapping[str, NDArray]  # Columns `(rows,)` by name: float64 with NaN for missing values, or words as objects.


def followed(columns: Columns, predictions: Sequence[NDArray]) -> Columns:
    """Return the `columns` to compute effects of: all, or the MOST_COLUMNS that any of `predictions` follow most.

    `predictions` `(rows,)` are those of each model. How far they follow a column is the variance of their means by bin,
    as a share of their variance (the correlation ratio). Nothing is predicted for it, so that it is fast.
    """
    if len(columns) <= MOST_COLUMNS:
        return columns
    scaled = [(each - each.mean()) / (each.std() or 1.0) for each in predictions]
    ratios = {
        name: max(sum(inside.sum() * each[inside].mean() ** 2 for inside in bins) for each in scaled)
        for name, bins in ((name, _bins(values)) for name, values in columns.items())
    }
    kept = sorted(ratios, key=lambda name: -ratios[name])[:MOST_COLUMNS]
    return {name: values for name, values in columns.items() if name in kept}


def effects(columns: Columns, losses: NDArray, baseline: NDArray | None = None) -> pd.DataFrame:
    """Return the mean of `losses` `(rows,)` by level or quantile bin of each column, and the gain over `baseline`.

    The table has a row for each bin: `column,low,high,rows,loss,gain,gain_low,gain_high`. For a category, `low` and
    `high` are its word; for missing numbers they are blank. `gain` is the mean of `baseline` (losses of the same rows)
    minus `losses`, and blank without a baseline. Its interval is Student's t interval for paired, independent rows. The
    intervals of the table hold together with the confidence CONFIDENCE (Bonferroni). They are blank for bins of a
    single row.
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


def dependence(predict: Callable[[Columns], NDArray], columns: Columns, shown: Columns | None = None) -> pd.DataFrame:
    """Return the partial dependence on each column of `shown`, with a row for each value: `column,value,prediction`.

    `predict` is the model, which takes all `columns`. None shows all of them.

    `prediction` is the mean prediction for a sample of rows in which the column is set to `value` (Friedman, Greedy
    Function Approximation, Annals of Statistics 29 (2001), section 8.2). Values are the levels if there are few, else
    the medians of the bins of `effects`. For words, they are the commonest words.
    """
    shown = columns if shown is None else shown
    rows = max(map(len, columns.values()), default=0)
    affordable = VALUES // (BINS * max(len(columns), 1) * max(len(shown), 1))
    sampled = evenly(rows, max(min(SAMPLE, affordable), FEWEST))
    sample = {name: values[sampled] for name, values in columns.items()}
    tables = [_dependence(predict, sample, name, _values(values)) for name, values in shown.items()]
    return pd.concat(tables) if tables else pd.DataFrame(columns=["column", "value", "prediction"])


def _dependence(predict: Callable[[Columns], NDArray], sample: Columns, name: str, values: NDArray) -> pd.DataFrame:
    repeated = {column: np.tile(sampled, len(values)) for column, sampled in sample.items()}
    repeated[name] = np.repeat(values, len(sample[name]))
    means = predict(repeated).reshape(len(values), -1).mean(axis=1) if len(values) else np.empty(0)
    return pd.DataFrame({"column": name, "value": values.astype(object), "prediction": means})


def _values(values: NDArray) -> NDArray:
    bins = [values[inside] for inside in _bins(values)]
    if values.dtype == object:
        commonest = sorted(bins, key=lambda words: (-len(words), words[0]))[:BINS]
        return np.array(sorted(words[0] for words in commonest), dtype=object)
    medians = np.array([np.quantile(numbers, 0.5, method="lower") for numbers in bins], np.float64)
    return np.unique(medians[~np.isnan(medians)])


def _interval(differences: NDArray, confidence: float, intervals: int) -> tuple[float, float, float]:
    mean, rows = float(differences.mean()), len(differences)
    if rows < 2:
        return mean, np.nan, np.nan
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * intervals), rows - 1)
    reach = float(quantile * np.std(differences, ddof=1) / np.sqrt(rows))
    return mean, mean - reach, mean + reach


def _bins(values: NDArray) -> list[NDArray]:
    """Return a mask of the rows in each bin.

    Words, and numbers with few levels, have a bin for each level. Other numbers have quantile bins. The last bin holds
    missing values.
    """
    is_words = values.dtype == object
    missing = np.zeros(len(values), bool) if is_words else np.isnan(values)
    present = ~missing
    bins = [missing] if missing.any() else []
    if not present.any():
        return bins
    levels = np.unique(values[present])
    if len(levels) <= BINS or is_words:
        return [*(present & (values == level) for level in levels), *bins]
    inner = np.unique(np.quantile(values[present], np.linspace(0, 1, BINS + 1)[1:-1]))
    bin_numbers = np.searchsorted(inner, values, side="right")
    return [*(present & (bin_numbers == number) for number in np.unique(bin_numbers[present])), *bins]
