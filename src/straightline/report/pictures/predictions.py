"""Panels of predictions on held-out rows, from tables with `truth` and `prediction`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from straightline.comparison.sampling import evenly
from straightline.report.pictures.canvas import COLORS, SOFT, Panel, legend, line, short

SAMPLE = 500  # points in a scatter plot; more would hide each other, and each takes 100 bytes
BINS = 10  # of predicted probabilities
STEPS = 200  # points of a ROC curve

Named = Sequence[tuple[str, pd.DataFrame]]


def truth(models: Named, number: int) -> Panel:
    """Return the truth by prediction of the model with this `number`, for a sample of its rows, and the diagonal.

    The limits of the axes are the same for all `models`.
    """
    name, table = models[number]
    values = np.concatenate([model_table.to_numpy(np.float64).ravel() for _, model_table in models])
    limits = float(values.min()), float(values.max())

    def draw(axes: Axes) -> None:
        axes.plot(limits, limits, color=SOFT, linewidth=1)
        _scatter(axes, _sample(table)["prediction"], _sample(table)["truth"], number)
        axes.set(xlabel="prediction", ylabel="truth")
        axes.set_title(short(name), loc="left")

    return draw


def residuals(models: Named, number: int) -> Panel:
    """Return truth minus prediction by prediction of the model with this `number`.

    The limits of the vertical axis are the same for all `models`.
    """
    name, table = models[number]
    highest = max(float((model_table["truth"] - model_table["prediction"]).abs().max()) for _, model_table in models)

    def draw(axes: Axes) -> None:
        sample = _sample(table)
        axes.axhline(0, color=SOFT, linewidth=1)
        _scatter(axes, sample["prediction"], sample["truth"] - sample["prediction"], number)
        axes.set(xlabel="prediction", ylabel="truth − prediction")
        if highest > 0:
            axes.set_ylim(-1.05 * highest, 1.05 * highest)
        axes.set_title(short(name), loc="left")

    return draw


def reliability(models: Named) -> Panel:
    """Return the share of ones by predicted probability, in BINS bins of equal width. Larger dots have more rows."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
        for number, (name, table) in enumerate(models):
            place = np.minimum((table["prediction"] * BINS).astype(int), BINS - 1)
            groups = table.groupby(place)
            rows, means = groups.size(), groups.mean()
            axes.plot(means["prediction"], means["truth"], **line(number), linewidth=1, label=short(name))
            sizes = 12 + 130 * rows / rows.max()
            color = COLORS[number % len(COLORS)]
            axes.scatter(means["prediction"], means["truth"], s=sizes, color=color, alpha=0.75, linewidths=0)
        axes.set(xlabel="predicted probability", ylabel="share of ones", xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        legend(axes)

    return draw


def roc(models: Named) -> Panel:
    """Return the ROC curves: the true positive rate by the false positive rate, over all thresholds."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
        for number, (name, table) in enumerate(models):
            false, true = roc_curve(table["truth"].to_numpy() > 0, table["prediction"].to_numpy())
            kept = evenly(len(false), STEPS)
            axes.plot(false[kept], true[kept], **line(number), label=short(name))
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
        legend(axes)

    return draw


def roc_curve(is_one: NDArray[np.bool_], prediction: NDArray) -> tuple[NDArray, NDArray]:
    """Return false and true positive rates, from the highest threshold to the lowest, so from 0 to 1.

    Equal predictions are one step. This is not scikit-learn's function, because to import it takes longer than to draw
    the picture.
    """
    order = np.argsort(-prediction, kind="stable")
    last = np.append(np.diff(prediction[order]) != 0, True)
    counts = [np.cumsum(is_class[order])[last] for is_class in (~is_one, is_one)]
    false, true = (np.append(0, count / count[-1]) for count in counts)
    return false, true


def panels(pictures: Sequence[str], models: Named) -> list[tuple[str, Panel]]:
    """Return the panels of a family's `pictures`, each with the name of its picture.

    Some pictures have a panel for each model, others one panel for all models. A ROC curve needs rows of both classes.
    """
    single = [(name, ONE_MODEL[name]) for name in pictures if name in ONE_MODEL]
    by_model = [(name, panel(models, number)) for number in range(len(models)) for name, panel in single]
    has_both = models[0][1]["truth"].nunique() == 2
    shared = [name for name in pictures if name in ALL_MODELS and (has_both or name != "roc")]
    return [*by_model, *((name, ALL_MODELS[name](models)) for name in shared)]


ONE_MODEL = {"truth": truth, "residuals": residuals}
ALL_MODELS = {"reliability": reliability, "roc": roc}


def _sample(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[evenly(len(table), SAMPLE)]


def _scatter(axes: Axes, x: pd.Series, y: pd.Series, number: int) -> None:
    color = COLORS[number % len(COLORS)]
    axes.scatter(x, y, s=10, alpha=0.5, color=color, linewidths=0)
