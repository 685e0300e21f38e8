"""Summaries of predictions on held-out rows, weighted by the rows: confusion matrix, ROC curve and calibration."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.serving.held_out import HeldOut

MOST_BINS, FEWEST_BINS, ROWS = 10, 3, 10  # groups of rows with similar predictions, each with about ROWS rows or more


def probabilities(held_out: HeldOut) -> NDArray:
    """Return the probability of each class, `(rows, classes)`; the prediction for two classes is that of the second."""
    predicted = held_out.prediction
    return predicted if predicted.ndim == 2 else np.column_stack([1 - predicted, predicted])


def weights_of(held_out: HeldOut) -> NDArray:
    """Return the weights of the rows `(rows,)`: ones if there are none."""
    return np.ones(len(held_out)) if held_out.weights is None else held_out.weights


def confusion(held_out: HeldOut, classes: int) -> NDArray:
    """Return the number of rows by actual and likeliest class, `(classes, classes)`, or with weights their sums.

    Of equally likely classes the first is taken.
    """
    cells = classes * held_out.truth.astype(int) + probabilities(held_out).argmax(axis=1)
    return np.bincount(cells, held_out.weights, minlength=classes**2).reshape(classes, classes)


def commonest(held_out: HeldOut, classes: int, most: int) -> list[int]:
    """Return the numbers of at most `most` classes, those with the most held-out rows, in ascending order."""
    totals = np.bincount(held_out.truth.astype(int), held_out.weights, minlength=classes)
    return sorted(np.argsort(-totals, kind="stable")[:most].tolist())


def _bins(held_out: HeldOut) -> int:
    return max(min(len(held_out) // ROWS, MOST_BINS), FEWEST_BINS)


def roc_curve(is_class: NDArray[np.bool_], prediction: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """Return false and true positive rates, from the highest threshold to the lowest, so from 0 to 1.

    Equal predictions are one step. This is not scikit-learn's function, because to import it takes longer than to draw
    the picture.
    """
    order = np.argsort(-prediction, kind="stable")
    last = np.append(np.diff(prediction[order]) != 0, True)
    counts = [np.cumsum((weights * inside)[order])[last] for inside in (~is_class, is_class)]
    false, true = (np.append(0, count / count[-1]) for count in counts)
    return false, true


def class_curves(held_out: HeldOut) -> dict[int, tuple[NDArray, NDArray]]:
    """Return the ROC curve of each class against all others, by its number. A class without rows, or of all, has none.

    Of two classes only the second has one.
    """
    likely, weights = probabilities(held_out), weights_of(held_out)
    numbers = range(likely.shape[1]) if likely.shape[1] > 2 else [1]
    classes = {number: held_out.truth == number for number in numbers}
    return {
        number: roc_curve(is_class, likely[:, number], weights)
        for number, is_class in classes.items()
        if is_class.any() and not is_class.all()
    }


def mean_curve(curves: dict[int, tuple[NDArray, NDArray]], held_out: HeldOut, points: int) -> tuple[NDArray, NDArray]:
    """Return the mean of ROC curves at `points` false positive rates, weighted by the rows of their classes.

    The area below it is about that mean of the areas below the curves (Fawcett, An introduction to ROC analysis, 2006,
    sections 8.1 and 9.2).
    """
    rates = np.linspace(0, 1, points)
    totals = np.bincount(held_out.truth.astype(int), held_out.weights)
    means = np.average([np.interp(rates, *curve) for curve in curves.values()], axis=0, weights=totals[list(curves)])
    return np.append(0, rates), np.append(0, means)


def reliability(held_out: HeldOut, number: int) -> pd.DataFrame:
    """Return how often rows have the class `number`, by its predicted probability in bins of equal width.

    The table has `prediction,truth,weight`: the means, and the sum of the weights, of each bin with rows.
    """
    likely = probabilities(held_out)[:, number]
    count = _bins(held_out)
    bins = np.minimum((likely * count).astype(int), count - 1)
    return _means(bins, likely, held_out.truth == number, weights_of(held_out))


def calibration(held_out: HeldOut) -> pd.DataFrame:
    """Return the mean truth by mean prediction in groups of about equal weight, ordered by prediction.

    Rows with equal predictions are in one group. The table has `prediction,truth,weight`, as that of `reliability`.
    """
    weights = weights_of(held_out)
    _, level = np.unique(held_out.prediction, return_inverse=True)
    totals = np.bincount(level, weights)
    middles = (totals.cumsum() - totals / 2) / totals.sum()
    count = _bins(held_out)
    groups = np.minimum((middles * count).astype(int), count - 1)[level]
    return _means(groups, held_out.prediction, held_out.truth, weights)


def _means(groups: NDArray, prediction: NDArray, truth: NDArray, weights: NDArray) -> pd.DataFrame:
    sums = pd.DataFrame({"prediction": weights * prediction, "truth": weights * truth, "weight": weights})
    totals = sums.groupby(groups).sum()
    means = totals[["prediction", "truth"]].div(totals["weight"], axis=0)
    return means.assign(weight=totals["weight"]).reset_index(drop=True)
