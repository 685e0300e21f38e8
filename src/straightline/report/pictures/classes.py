"""Panels of predicted classes on held-out rows: the confusion matrix, ROC curves and the calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from straightline.comparison.sampling import evenly
from straightline.report import held_out
from straightline.report.pictures.canvas import (
    COLORS,
    GRID,
    HEIGHT,
    INK,
    LINE,
    SOFT,
    WIDTH,
    Panel,
    legend,
    line,
    plot_width,
    short,
    text_width,
)
from straightline.serving.held_out import HeldOut

HANDFUL = 5  # classes with a line of their own in a picture; more could not be told apart
STEPS = 200  # points of a ROC curve
CELL = 0.3, 0.25  # inches: the smallest width and height of a cell of a confusion matrix, room for four digits
FAINTEST, STRONGEST = 0.05, 0.5  # opacities of cells; numbers stay legible on them in light and in dark
SIZES = 9, 7  # points: of the numbers in a confusion matrix


@dataclass(frozen=True)
class Classes:
    """The `names` of all classes, and the numbers of the classes that are `shown` where each has a line of its own."""

    names: Sequence[str]
    shown: Sequence[int]

    @property
    def are_two(self) -> bool:
        """Whether one probability says all: that of the second class."""
        return len(self.names) == 2

    def color(self, number: int) -> str:
        """Return the color of the shown class with this number. It is the same in all pictures."""
        return COLORS[list(self.shown).index(number)]


Named = Sequence[tuple[str, HeldOut]]


def confusion(name: str, rows: HeldOut, classes: Sequence[str]) -> Panel:
    """Return the confusion matrix: the rows in each cell, and as color their share of the rows of the actual class."""
    counts = held_out.confusion(rows, len(classes))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-300)
    labels, places = [short(label) for label in classes], range(len(classes))

    def draw(axes: Axes) -> None:
        axes.set(xlim=(-0.5, len(classes) - 0.5), ylim=(len(classes) - 0.5, -0.5))
        axes.set(xlabel="predicted class", ylabel="actual class")
        axes.set_yticks(places, labels)
        cell = plot_width(axes) / len(classes)
        axes.set_xticks(places, labels, rotation=90 if _widest(labels) > cell else 0)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.grid(visible=False)
        for place in np.arange(len(classes) + 1) - 0.5:
            axes.axhline(place, color=GRID, linewidth=0.7)
            axes.axvline(place, color=GRID, linewidth=0.7)
        for actual, predicted in np.argwhere(counts > 0):
            opacity = FAINTEST + (STRONGEST - FAINTEST) * shares[actual, predicted]
            corner = predicted - 0.5, actual - 0.5
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=COLORS[0], alpha=opacity, linewidth=0))
            _write(axes, predicted, actual, counts[actual, predicted], cell)
        axes.set_title(short(name), loc="left")

    return draw


def _write(axes: Axes, x: float, y: float, count: Any, cell: float) -> None:
    """Write a count into its cell, smaller or in thousands or millions if it is too long, or not at all if it still is.

    `cell` is the width of the cell in inches.
    """
    texts = f"{count:,.0f}" if count >= 100 else f"{count:.3g}", EngFormatter(places=0, sep="")(count)
    for text, points in product(texts, SIZES):
        if text_width(text, points) <= cell:
            axes.text(x, y, text, ha="center", va="center_baseline", fontsize=points)
            return


def confusion_size(classes: Sequence[str]) -> tuple[float, float]:
    """Return the width and the height in inches of a confusion matrix that shows all counts."""
    widest = _widest([short(name) for name in classes])
    width = max(WIDTH, widest + 0.6 + CELL[0] * len(classes))
    is_upright = widest > (width - widest - 0.6) / len(classes)
    return width, max(HEIGHT, 0.7 + CELL[1] * len(classes) + (widest if is_upright else LINE))


def _widest(labels: Sequence[str]) -> float:
    return max(text_width(label, 10) for label in labels)


def roc(models: Named) -> Panel:
    """Return the ROC curves of models that predict one of two classes.

    They show the true positive rate by the false positive rate, over all thresholds.
    """
    curves = [(name, held_out.class_curves(rows)[1]) for name, rows in models]

    def draw(axes: Axes) -> None:
        _diagonal(axes, "false positive rate", "true positive rate")
        for number, (name, curve) in enumerate(curves):
            axes.plot(*_thinned(curve), **line(number), label=short(name))
        legend(axes)

    return draw


def roc_by_class(name: str, rows: HeldOut, classes: Classes) -> Panel:
    """Return a model's ROC curve for each shown class against all others, with the areas below them in the legend.

    If there are more classes, a thick line is the mean of all.
    """
    curves = held_out.class_curves(rows)

    def draw(axes: Axes) -> None:
        _diagonal(axes, "false positive rate", "true positive rate")
        for number in classes.shown:
            if number in curves:
                label = f"{short(classes.names[number])}: {_area(curves[number]):.2f}"
                axes.plot(*_thinned(curves[number]), color=classes.color(number), label=label)
        if len(classes.shown) < len(classes.names):
            mean = held_out.mean_curve(curves, rows, STEPS)
            label = f"mean of {len(classes.names)}: {_area(mean):.2f}"
            axes.plot(*mean, color=INK, linewidth=3, linestyle="--", label=label)
        legend(axes, short(name))

    return draw


def reliability(models: Named) -> Panel:
    """Return the share of the second of two classes by its predicted probability. Larger dots have more rows."""

    def draw(axes: Axes) -> None:
        _diagonal(axes, "predicted probability", "share of ones")
        for number, (name, rows) in enumerate(models):
            _draw_bins(axes, rows, 1, line(number), short(name))
        legend(axes)

    return draw


def reliability_by_class(name: str, rows: HeldOut, classes: Classes) -> Panel:
    """Return the share of each shown class by its predicted probability. Larger dots have more rows."""

    def draw(axes: Axes) -> None:
        _diagonal(axes, "predicted probability of the class", "share of the class")
        for number in classes.shown:
            _draw_bins(axes, rows, number, {"color": classes.color(number)}, short(classes.names[number]))
        legend(axes, short(name))

    return draw


def _draw_bins(axes: Axes, rows: HeldOut, number: int, style: dict[str, Any], label: str) -> None:
    bins = held_out.reliability(rows, number)
    axes.plot(bins["prediction"], bins["truth"], **style, linewidth=1, label=label)
    sizes = 12 + 130 * bins["weight"] / bins["weight"].max()
    axes.scatter(bins["prediction"], bins["truth"], s=sizes, color=style["color"], alpha=0.75, linewidths=0)


def _diagonal(axes: Axes, x: str, y: str) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))


def _thinned(curve: tuple[NDArray, NDArray]) -> tuple[NDArray, NDArray]:
    kept = evenly(len(curve[0]), STEPS)
    return curve[0][kept], curve[1][kept]


def _area(curve: tuple[NDArray, NDArray]) -> float:
    return float(np.trapezoid(curve[1], curve[0]))
