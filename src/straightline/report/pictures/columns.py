"""Panels of a column, from effects/: where a network wins, and what the models make of the column's values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from straightline.report.pictures.canvas import SOFT, Panel, legend, line, short

ABOVE = 4  # labels of words; more stand upright


def gains(name: str, tables: Mapping[str, pd.DataFrame], numbers: Mapping[str, int]) -> Panel:
    """Return how much of the loss each challenger saves in the bins of a column, with intervals.

    A table of `effects`, its rows of one column, by challenger; `numbers` are the models', which give their colors.
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
    """Return the partial dependence of each model on a column, from its tables of `column,value,prediction`."""

    def draw(axes: Axes) -> None:
        for number, (model, table) in enumerate(tables.items()):
            places, labels = _places(list(table["value"]), list(table["value"]))
            style = line(number) if labels is None else {"color": line(number)["color"], "linestyle": "none"}
            axes.plot(places, table["prediction"], **style, marker="o", markersize=4, label=short(model))
            _label(axes, places, labels)
        axes.set(xlabel=short(name), ylabel=label)
        legend(axes)

    return draw


def _places(lows: Sequence[Any], highs: Sequence[Any]) -> tuple[NDArray, list[str] | None]:
    """Return where bins stand: in the middle of their numbers, or side by side with their words (then also labels)."""
    low, high = (pd.to_numeric(pd.Series(ends), errors="coerce") for ends in (lows, highs))
    blank = pd.Series(lows).isna()
    if (low.isna() & ~blank).any():
        return np.arange(len(lows)), [short(str(word)) for word in lows]
    if blank.any():  # rows without a value stand right of the others
        numbers = [f"{one:.3g}" if one == two else f"{one:.3g}–{two:.3g}" for one, two in zip(low, high, strict=True)]
        return np.arange(len(lows)), ["missing" if gap else text for gap, text in zip(blank, numbers, strict=True)]
    return ((low + high) / 2).to_numpy(), None


def _label(axes: Axes, places: NDArray, labels: list[str] | None) -> None:
    if labels is not None:
        axes.set_xticks(places, labels, rotation=90 if len(labels) > ABOVE else 0)
    elif len(places) <= ABOVE:
        axes.set_xticks(places, [f"{place:g}" for place in places])
