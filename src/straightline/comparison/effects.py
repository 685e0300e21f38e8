"""Losses by level or quantile bin of each column, and the effect of each column on predictions."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.comparison.bins import BINS, Binned, Bins, Columns, binned
from straightline.comparison.sampling import evenly

CONFIDENCE = 0.95  # The joint confidence of all intervals in a table.
FEWEST, SAMPLE = 50, 500  # The smallest and the largest number of rows that a partial dependence averages.
VALUES = 2_000_000  # The approximate number of input values for the predictions of all columns.
MOST_COLUMNS = 50  # Of more columns, only those that predictions follow most have effects.


def followed(columns: Bins, predictions: Sequence[NDArray]) -> Bins:
    """Return the `columns` to compute effects of: all, or the MOST_COLUMNS that any of `predictions` follow most.

    `predictions` `(rows,)` or `(rows, classes)` are those of each model. How far they follow a column is the variance
    of their means by bin, as a share of their variance (the correlation ratio). Nothing is predicted for it, so that it
    is fast.
    """
    if len(columns) <= MOST_COLUMNS:
        return columns
    single = [column for each in predictions for column in np.atleast_2d(each.T)]
    scaled = [(each - each.mean()) / (each.std() or 1.0) for each in single]
    ratios = {
        name: max(sum(inside.sum() * each[inside].mean() ** 2 for inside in bins) for each in scaled)
        for name, bins in columns.items()
    }
    kept = sorted(ratios, key=lambda name: -ratios[name])[:MOST_COLUMNS]
    return {name: bins for name, bins in columns.items() if name in kept}


def effects(
    columns: Bins, losses: NDArray, baseline: NDArray | None = None, weights: NDArray | None = None
) -> pd.DataFrame:
    """Return the mean of `losses` `(rows,)` by level or quantile bin of each column, and the gain over `baseline`.

    The table has a row for each bin: `column,low,high,rows,loss,gain,gain_low,gain_high`. For a category, `low` and
    `high` are its word; for missing numbers they are blank. `gain` is the mean of `baseline` (losses of the same rows)
    minus `losses`, and blank without a baseline. Means are weighted by `weights` `(rows,)`. The interval of the gain is
    Student's t interval for paired, independent rows. The intervals of the table hold together with the confidence
    CONFIDENCE (Bonferroni). They are blank for bins of a single row.
    """
    intervals = sum(1 for bins in columns.values() for _ in bins)
    rows = []
    for name, values, inside in ((name, bins.values, inside) for name, bins in columns.items() for inside in bins):
        ends = (values[inside].min(), values[inside].max())
        gain, low, high = (
            (np.nan,) * 3
            if baseline is None
            else _interval((baseline - losses)[inside], CONFIDENCE, intervals, _taken(weights, inside))
        )
        loss = float(np.average(losses[inside], weights=_taken(weights, inside)))
        rows.append((name, *ends, int(inside.sum()), loss, gain, low, high))
    names = ["column", "low", "high", "rows", "loss", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=names).astype({"low": object, "high": object})


def dependence(
    predict: Callable[[Columns], NDArray],
    columns: Columns,
    shown: Bins | None = None,
    weights: NDArray | None = None,
) -> pd.DataFrame:
    """Return the partial dependence on each column of `shown`, with a row for each value: `column,value,prediction`.

    If there are several classes, there is a row for each value and class, and a column `class` has its number.
    `predict` is the model, which takes all `columns`. None shows all of them. `weights` `(rows,)` are those of the
    rows.

    `prediction` is the mean prediction for a sample of rows in which the column is set to `value` (Friedman, Greedy
    Function Approximation, Annals of Statistics 29 (2001), section 8.2). Values are the levels if there are few, else
    the medians of the bins of `effects`. For words, they are the commonest words.
    """
    shown = binned(columns) if shown is None else shown
    rows = max(map(len, columns.values()), default=0)
    affordable = VALUES // (BINS * max(len(columns), 1) * max(len(shown), 1))
    sampled = evenly(rows, max(min(SAMPLE, affordable), FEWEST))
    sample = {name: values[sampled] for name, values in columns.items()}
    tables = [
        _dependence(predict, sample, name, _values(bins), _taken(weights, sampled)) for name, bins in shown.items()
    ]
    return pd.concat(tables) if tables else pd.DataFrame(columns=["column", "value", "prediction"])


def _dependence(
    predict: Callable[[Columns], NDArray], sample: Columns, name: str, values: NDArray, weights: NDArray | None
) -> pd.DataFrame:
    repeated = {column: np.tile(sampled, len(values)) for column, sampled in sample.items()}
    repeated[name] = np.repeat(values, len(sample[name]))
    table = pd.DataFrame({"column": name, "value": values.astype(object)})
    if not len(values):
        return table.assign(prediction=np.empty(0))
    predictions = predict(repeated)
    by_value = predictions.reshape(len(values), len(sample[name]), *predictions.shape[1:])
    means = np.average(by_value, axis=1, weights=weights)
    if means.ndim == 1:
        return table.assign(prediction=means)
    classes = means.shape[1]
    repeated_table = table.loc[np.repeat(table.index, classes)].reset_index(drop=True)
    return repeated_table.assign(**{"class": np.tile(range(classes), len(values)), "prediction": means.ravel()})


def _taken(weights: NDArray | None, places: NDArray) -> NDArray | None:
    return None if weights is None else weights[places]


def _values(column: Binned) -> NDArray:
    bins = [column.values[inside] for inside in column]
    if column.is_words:
        commonest = sorted(bins, key=lambda words: (-len(words), words[0]))[:BINS]
        return np.array(sorted(words[0] for words in commonest), dtype=object)
    medians = np.array([np.quantile(numbers, 0.5, method="lower") for numbers in bins], np.float64)
    return np.unique(medians[~np.isnan(medians)])


def _interval(
    differences: NDArray, confidence: float, intervals: int, weights: NDArray | None
) -> tuple[float, float, float]:
    """Return the mean and the ends of its interval; with weights, by the variance of a ratio of two sums.

    See Cochran 1977, "Sampling Techniques", section 6.4.
    """
    mean, rows = float(np.average(differences, weights=weights)), len(differences)
    if rows < 2:
        return mean, np.nan, np.nan
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * intervals), rows - 1)
    shares = np.full(rows, 1 / rows) if weights is None else weights / weights.sum()
    error = np.sqrt(rows / (rows - 1) * np.sum((shares * (differences - mean)) ** 2))
    reach = float(quantile * error)
    return mean, mean - reach, mean + reach
