"""Panels that compare models: fold by fold, epoch by epoch, and by the number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from straightline.formatting import percent
from straightline.report.pictures.canvas import COLORS, GRID, INK, SOFT, Panel, legend, line, plain_labels, short
from straightline.report.pictures.classes import Classes

LEAST = -1.0  # A lower gain is an arrow at the edge; an axis down to it would press all others together.
SPREAD = 30.0  # If the largest loss of a panel is more than this many times the smallest, its axis is logarithmic.
DODGE = 0.7  # share of a term's row that its estimates for several classes take
WIDE = 1000.0  # The same ratio for coefficients. It is larger because each of them has its own unit.


@dataclass(frozen=True)
class Gains:
    """A challenger's gain over the regression, as a share of the regression's loss.

    `folds` `(J,)` has the gain in each fold, `gain` the mean, `low` and `high` its interval. `number` is the number of
    the model, which decides its color.
    """

    name: str
    number: int
    folds: NDArray
    gain: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """The loss of a model by epoch.

    `history` has `epoch,shown`. `band` has `epoch,low,high` over the fold fits, or is None.
    """

    name: str
    history: pd.DataFrame
    band: pd.DataFrame | None = None


def differences(challengers: Sequence[Gains], margin: float) -> Panel:
    """Return the paired differences in each fold, one row for each challenger, and the margin.

    The shaded differences are smaller than the margin. On their left the regression is better by more than the margin,
    on their right the challenger is.
    """
    worse = 1 - 1 / (1 - margin)

    def draw(axes: Axes) -> None:
        lowest = min(worse, *(float(challenger.folds.min()) for challenger in challengers))
        high = max(margin, *(float(challenger.folds.max()) for challenger in challengers))
        low = max(lowest, LEAST)
        room = 0.12 * (high - low)
        axes.set(xlim=(low - room, high + room), ylim=(len(challengers) - 0.5, -0.75))
        axes.axvspan(worse, margin, color=GRID, linewidth=0)
        axes.axvline(0, color=SOFT, linewidth=1)
        axes.axvline(margin, color=INK, linewidth=1.2, linestyle="--")
        for row, challenger in enumerate(challengers):
            _row(axes, row, challenger, (low, high))
        axes.set_yticks(range(len(challengers)), [short(challenger.name) for challenger in challengers])
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.set_xlabel("loss that the model saves, as a share of the straight line's")
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        left, right = axes.get_xlim()
        side = "right" if margin > (left + right) / 2 else "left"  # Near the edge the text would be cut off.
        place = (-4 if side == "right" else 4, 0)
        axes.annotate(
            f"margin {100 * margin:.3g} %", (margin, -0.7), place, textcoords="offset points", va="top", ha=side
        )

    return draw


def _row(axes: Axes, row: int, challenger: Gains, limits: tuple[float, float]) -> None:
    color = line(challenger.number)["color"]
    folds = np.clip(challenger.folds, *limits)
    # Scatter the dots vertically. The offsets look random but are always the same.
    places = row + 0.28 * (((np.arange(len(folds)) + 1) * 0.618034) % 1 - 0.5) - 0.12
    inside = folds == challenger.folds
    axes.scatter(folds[inside], places[inside], s=16, color=color, alpha=0.55, linewidths=0)
    axes.scatter(folds[~inside], places[~inside], s=30, color=color, marker="<", linewidths=0)
    low = limits[0] if challenger.low is None else challenger.low
    high = limits[1] if challenger.high is None else challenger.high
    ends = np.clip([low, high], *limits)
    axes.plot(ends, [row + 0.22] * 2, color=INK, linewidth=2.5, solid_capstyle="butt")
    if challenger.gain >= limits[0]:
        axes.plot([challenger.gain], [row + 0.22], color=INK, marker="D", markersize=6)
        return
    axes.plot([limits[0]], [row + 0.22], color=INK, marker="<", markersize=8)
    axes.annotate(percent(challenger.gain), (limits[0], row + 0.22), (7, -4), textcoords="offset points", va="top")


def losses(curves: Sequence[Curve], label: str, title: str = "") -> Panel:
    """Return the loss by epoch of each model, with the spread over its fold fits as a band."""

    def draw(axes: Axes) -> None:
        for number, curve in enumerate(curves):
            table, band = curve.history, curve.band
            axes.plot(table["epoch"], table["shown"], label=short(curve.name), **line(number), marker="o", markersize=3)
            if band is not None:
                color = line(number)["color"]
                axes.fill_between(band["epoch"], band["low"], band["high"], color=color, alpha=0.18, linewidth=0)
        positive = any((curve.history["shown"] > 0).any() for curve in curves)  # The logarithm of zero is undefined.
        axes.set(xlabel="epoch", ylabel=label, yscale="log" if positive else "linear")
        plain_labels(axes.yaxis)
        axes.set_title(title, loc="right")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend(axes)

    return draw


def learning(tables: Mapping[str, pd.DataFrame], label: str) -> Panel:
    """Return the loss by number of training rows, one line for each model and a thin line for each of its folds.

    The tables have `rows,fold,loss`.
    """

    def draw(axes: Axes) -> None:
        for number, (name, table) in enumerate(tables.items()):
            style = line(number)
            for _, fold in table.groupby("fold"):
                axes.plot(fold["rows"], fold["loss"], **style, linewidth=0.8, alpha=0.6)
            means = table.groupby("rows")["loss"].mean()
            axes.plot(means.index, means, label=short(name), **style, marker="o", markersize=5)
        points = pd.concat(tables.values())
        axes.set(xlabel="training rows", ylabel=label, xscale="log")
        if points["loss"].min() > 0 and points["loss"].max() / points["loss"].min() > SPREAD:
            axes.set_yscale("log")
        plain_labels(axes.yaxis)
        # Folds differ in size by a row or so. Numbers of rows that are almost equal share one tick.
        sizes = points["rows"].sort_values().unique()
        ticks = [size for position, size in enumerate(sizes) if not position or size > 1.3 * sizes[position - 1]]
        axes.set_xticks(ticks, [f"{size:,}" for size in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        legend(axes)

    return draw


def coefficients(table: pd.DataFrame, label: str, classes: Classes | None = None) -> Panel:
    """Return estimates with their intervals, one row for each term; the table has `term,estimate,ci_low,ci_high`.

    With several `classes` a term has an estimate for each class in the table's column `class`.
    """
    terms = list(dict.fromkeys(table["term"]))
    names = [""] if classes is None else [classes.names[number] for number in classes.shown]
    groups = [(name, table if classes is None else table[table["class"] == name]) for name in names]
    groups = [(name, group) for name, group in groups if len(group)]

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=SOFT, linewidth=1)
        for position, (name, group) in enumerate(groups):
            shift = DODGE * ((position + 0.5) / len(groups) - 0.5)  # The classes of a term are below each other.
            places = np.array([terms.index(term) for term in group["term"]]) + shift
            reach = [group["estimate"] - group["ci_low"], group["ci_high"] - group["estimate"]]
            errors = np.nan_to_num(np.array(reach, float))
            color = COLORS[0] if classes is None else classes.color(list(classes.names).index(name))
            dots = axes.errorbar(
                group["estimate"], places, xerr=errors, fmt="o", color=color, markersize=5, linewidth=1.8
            )
            dots.set_label(short(name))
        axes.set_yticks(range(len(terms)), [short(str(term)) for term in terms])
        axes.set(ylim=(len(terms) - 0.5, -0.5), xlabel=label)
        reaches = table[["estimate", "ci_low", "ci_high"]].abs().max(axis=1)
        small, large = reaches[reaches > 0].min(), reaches.max()
        if large > WIDE * small:
            axes.set_xscale("symlog", linthresh=max(small, large / 1e6))
            axes.autoscale_view()
        plain_labels(axes.xaxis)
        axes.grid(visible=False)
        axes.grid(visible=True, axis="x")
        if classes is not None:
            legend(axes)

    return draw
