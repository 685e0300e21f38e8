"""Panels about one column, from effects/: where a network wins, and how predictions depend on the column."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from straightline.report.pictures.canvas import DASHES, INK, SOFT, Panel, legend, line, short
from straightline.report.pictures.classes import Classes

MARKERS = ("o", "s", "^", "D")  # of models, where their colors are those of classes
MOST_FLAT = 4  # If an axis has more labels of text, they are upright.


def gains(name: str, tables: Mapping[str, pd.DataFrame], numbers: Mapping[str, int]) -> Panel:
    """Return the loss that each challenger saves in the bins of the column `name`, with intervals.

    `tables` has the rows of the column in `effects`, by challenger. `numbers` has the number of each model, which
    decides its color.
    """

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=SOFT, linewidth=1)
        for model, table in tables.items():
            places, labels = _places(list(table["low"]), list(table["high"]))
            reach = np.array([table["gain"] - table["gain_low"], table["gain_high"] - table["gain"]], float)
            errors = np.nan_to_num(reach)
            color = line(numbers[model])["color"]
            axes.errorbar(places, table["gain"], errors, fmt="o", color=color, markersize=5, label=short(model))
            _label(axes, places, labels)
        axes.set(xlabel=short(name), ylabel="loss saved")
        legend(axes)

    return draw


def dependence(name: str, tables: Mapping[str, pd.DataFrame], label: str) -> Panel:
    """Return the partial dependence of each model on the column `name`; tables have `column,value,prediction`."""

    def draw(axes: Axes) -> None:
        for number, (model, table) in enumerate(tables.items()):
            _draw_curve(axes, table, line(number), "o", short(model))
        axes.set(xlabel=short(name), ylabel=label)
        legend(axes)

    return draw


def dependence_by_class(name: str, tables: Mapping[str, pd.DataFrame], label: str, classes: Classes) -> Panel:
    """Return the partial dependence of the probability of each shown class on the column `name`.

    Tables have `column,value,class,prediction`, with numbers as classes. Colors are classes, and dashes and markers
    are models.
    """

    def draw(axes: Axes) -> None:
        styles = dict(zip(tables, cycle(zip(DASHES, MARKERS, strict=True)), strict=False))
        for model, table in tables.items():
            dash, marker = styles[model]
            for number in classes.shown:
                curve = table[table["class"].astype(int) == number]
                _draw_curve(axes, curve, {"color": classes.color(number), "linestyle": dash}, marker, None)
        for number in classes.shown:
            axes.plot([], [], color=classes.color(number), label=short(classes.names[number]))
        for model, (dash, marker) in styles.items():
            axes.plot([], [], color=INK, linestyle=dash, marker=marker, markersize=4, label=short(model))
        axes.set(xlabel=short(name), ylabel=label)
        legend(axes)

    return draw


def _draw_curve(axes: Axes, table: pd.DataFrame, style: dict[str, Any], marker: str, label: str | None) -> None:
    places, labels = _places(list(table["value"]), list(table["value"]))
    style = style if labels is None else style | {"linestyle": "none"}
    axes.plot(places, table["prediction"], **style, marker=marker, markersize=4, label=label)
    _label(axes, places, labels)


def _places(lows: Sequence[Any], highs: Sequence[Any]) -> tuple[NDArray, list[str] | None]:
    """Return the positions of bins on the axis: the middle of a range of numbers, or 0, 1, 2 and so on with labels."""
    low, high = (pd.to_numeric(pd.Series(ends), errors="coerce") for ends in (lows, highs))
    blank = pd.Series(lows).isna()
    if (low.isna() & ~blank).any():
        return np.arange(len(lows)), [short(str(word)) for word in lows]
    if blank.any():  # The bin of rows without a value is to the right of the others.
        ranges = [
            f"{start:.3g}" if start == end else f"{start:.3g}–{end:.3g}" for start, end in zip(low, high, strict=True)
        ]
        labels = ["missing" if is_blank else text for is_blank, text in zip(blank, ranges, strict=True)]
        return np.arange(len(lows)), labels
    return ((low + high) / 2).to_numpy(), None


def _label(axes: Axes, places: NDArray, labels: list[str] | None) -> None:
    if labels is not None:
        axes.set_xticks(places, labels, rotation=90 if len(labels) > MOST_FLAT else 0)
    elif len(places) <= MOST_FLAT:
        axes.set_xticks(places, [f"{place:g}" for place in places])
