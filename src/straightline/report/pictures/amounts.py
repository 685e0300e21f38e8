"""Panels of predicted numbers on held-out rows: truth and residuals by prediction, and the calibration."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from straightline.comparison.sampling import evenly
from straightline.report import held_out
from straightline.report.pictures.canvas import COLORS, SOFT, Panel, legend, line, plain_labels, short
from straightline.report.pictures.comparison import SPREAD
from straightline.serving.held_out import HeldOut

SAMPLE = 500  # points in a scatter plot; more would hide each other, and each takes 100 bytes

Named = Sequence[tuple[str, HeldOut]]


def truth(models: Named, number: int, is_logarithmic: bool) -> Panel:
    """Return the truth by prediction of the model with this `number`, for a sample of its rows, and the diagonal.

    The limits of the axes are the same for all `models`. Logarithmic axes need `is_logarithmic` and positive numbers
    with a wide range.
    """
    name, rows = models[number]
    values = np.concatenate([np.append(each.truth, each.prediction) for _, each in models])
    limits = float(values.min()), float(values.max())

    def draw(axes: Axes) -> None:
        axes.plot(limits, limits, color=SOFT, linewidth=1)
        _scatter(axes, rows, rows.truth, number)
        axes.set(xlabel="prediction", ylabel="truth")
        _stretch(axes, *limits, is_logarithmic)
        axes.set_title(short(name), loc="left")

    return draw


def residuals(models: Named, number: int) -> Panel:
    """Return truth minus prediction by prediction of the model with this `number`.

    The limits of the vertical axis are the same for all `models`.
    """
    name, rows = models[number]
    highest = max(float(np.abs(each.truth - each.prediction).max()) for _, each in models)

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=SOFT, linewidth=1)
        _scatter(axes, rows, rows.truth - rows.prediction, number)
        axes.set(xlabel="prediction", ylabel="truth − prediction")
        if highest > 0:
            axes.set_ylim(-1.05 * highest, 1.05 * highest)
        axes.set_title(short(name), loc="left")

    return draw


def calibration(models: Named, is_logarithmic: bool) -> Panel:
    """Return the mean truth by mean prediction, in groups of equal weight, of all models, and the diagonal."""
    tables = [(name, held_out.calibration(rows)) for name, rows in models]
    values = np.concatenate([table[["prediction", "truth"]].to_numpy().ravel() for _, table in tables])
    limits = float(values.min()), float(values.max())

    def draw(axes: Axes) -> None:
        axes.plot(limits, limits, color=SOFT, linewidth=1)
        for number, (name, table) in enumerate(tables):
            style = line(number) | {"linewidth": 1, "marker": "o", "markersize": 6}
            axes.plot(table["prediction"], table["truth"], **style, alpha=0.8, label=short(name))
        axes.set(xlabel="mean prediction", ylabel="mean truth")
        _stretch(axes, *limits, is_logarithmic)
        legend(axes)

    return draw


def _stretch(axes: Axes, low: float, high: float, is_logarithmic: bool) -> None:
    """Make both axes logarithmic if they should be, and if the numbers differ by a large factor.

    If some are 0, as counts are, the axes are linear up to 1.
    """
    if not is_logarithmic or low < 0 or high < SPREAD * (low or 1):
        return
    scale = {"value": "log"} if low > 0 else {"value": "symlog", "linthresh": 1}
    axes.set_xscale(**scale)
    axes.set_yscale(**scale)
    plain_labels(axes.xaxis)
    plain_labels(axes.yaxis)


def _scatter(axes: Axes, rows: HeldOut, heights: NDArray, number: int) -> None:
    """Draw a sample of the rows as dots with areas by their weights."""
    kept = evenly(len(rows), SAMPLE)
    weights = held_out.weights_of(rows)
    sizes = 10 * np.clip(weights / weights.mean(), 0.2, 10)[kept]
    color = COLORS[number % len(COLORS)]
    axes.scatter(rows.prediction[kept], heights[kept], s=sizes, alpha=0.5, color=color, linewidths=0)
