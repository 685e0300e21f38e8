"""Results as pictures: PNG bytes that are the same for the same numbers, whatever the user's matplotlibrc says."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLORS = ("#2f6db5", "#d1603d", "#3d8f62", "#8a63b0", "#a07a1c", "#5b6770")
DASHES = ("-", "--", ":", "-.")  # a round of colors each, where there are more models than colors
WIDTH, COLUMNS = 7.2, 2  # inches, so that text stays legible on a phone; panels beside each other
SAMPLE = 2000  # points of a scatter plot; more hide each other

Named = Sequence[tuple[str, pd.DataFrame]]


def losses(panels: Sequence[tuple[str, str, Named]]) -> bytes:
    """Return all loss curves, a panel a target: `(title, y label, [(model, table with epoch and shown)])`.

    Targets have panels of their own since their losses are in different units; a model has one color in all.
    """
    with _style():
        figure, axes = _panels(len(panels), 3.3)
        for panel, (title, label, models) in zip(axes, panels, strict=True):
            for number, (name, table) in enumerate(models):
                color, dash = COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]
                # Markers, since a line through one point is invisible.
                panel.plot(
                    table["epoch"], table["shown"], label=name, color=color, linestyle=dash, marker="o", markersize=3
                )
            panel.set_title(title, loc="left")
            # A loss that is zero throughout has no logarithm.
            positive = any((table["shown"] > 0).any() for _, table in models)
            panel.set(xlabel="epoch", ylabel=label, yscale="log" if positive else "linear")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4), frameon=False)
        return _png(figure)


def predictions(task: str, models: Named) -> bytes:
    """Return predictions against truth, a panel a model, `(name, table with truth and prediction)`.

    Continuous: a sample of the rows about the diagonal. Binary: the share of ones by predicted probability, in ten bins
    of equal width, the size of a point standing for its rows.
    """
    with _style():
        figure, axes = _panels(len(models), 3.6)
        values = np.concatenate([table.to_numpy(np.float64).ravel() for _, table in models])
        limits = (float(values.min()), float(values.max())) if task == "continuous" else (0.0, 1.0)
        for number, (panel, (name, table)) in enumerate(zip(axes, models, strict=True)):
            panel.plot(limits, limits, color="#8c8c8c", linewidth=1)
            draw = _scatter if task == "continuous" else _reliability
            draw(panel, table, COLORS[number % len(COLORS)])
            panel.set_title(name, loc="left")
            panel.locator_params(nbins=5)
        return _png(figure)


def calibration(table: pd.DataFrame) -> bytes:
    """Return the rates of `neural_better` by rows, a panel a task and noise, a line a truth, of calibration.csv.

    A truth has one color in all panels; of scenarios that were simulated several times the largest is shown.
    """
    largest = table.sort_values("simulations").drop_duplicates(["task", "noise", "truth", "rows"], keep="last")
    truths = list(largest.sort_values(["gain", "truth"])["truth"].unique())
    groups = list(largest.groupby(["task", "noise"], sort=False))
    with _style():
        figure, axes = _panels(len(groups), 3.3)
        for panel, ((task, noise), group) in zip(axes, groups, strict=True):
            for number, truth in enumerate(truths):
                line = group[group["truth"] == truth].sort_values("rows")
                panel.errorbar(
                    line["rows"] * 1.03 ** (number - len(truths) / 2),  # beside each other
                    line["rate"],
                    [line["rate"] - line["rate_low"], line["rate_high"] - line["rate"]],
                    label=truth,
                    color=COLORS[number % len(COLORS)],
                    marker="o",
                    markersize=4,
                    linewidth=1.5,
                    capsize=2,
                )
            panel.axhline(1 - float(table["confidence"].iloc[0]), color="#8c8c8c", linewidth=1, linestyle=":")
            panel.set_title(task if task == "binary" else f"{task}, {noise} noise", loc="left")
            sizes = sorted(largest["rows"].unique())
            panel.set(xlabel="rows", ylabel="says «network better»", xscale="log", ylim=(-0.03, 1.03))
            panel.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
            panel.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
            panel.minorticks_off()
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4), frameon=False)
        return _png(figure)


def sweep(table: pd.DataFrame, importances: Mapping[str, float]) -> bytes:
    """Return the loss of each config by what it set, a panel a key of `importances`, whose shares stand in the titles.

    `table` has a column a key, and `loss`. The best config is marked.
    """
    best, least = table.sort_values("loss").head(1), float(table["loss"].min())
    # Losses far above the best would press all others to the axis.
    top = float(table["loss"].quantile(0.9))
    with _style():
        figure, axes = _panels(len(importances), 3.0)
        for panel, (key, share) in zip(axes, importances.items(), strict=True):
            places = _places(panel, table[key])
            panel.scatter(places, table["loss"], s=14, alpha=0.5, color=COLORS[0], linewidths=0)
            panel.scatter(places[best.index], best["loss"], s=60, color=COLORS[1], marker="*")
            panel.set(xlabel=key, ylabel="loss")
            panel.set_ylim(least - 0.05 * (top - least), top if top > least else None)
            panel.set_title("" if np.isnan(share) else f"importance {share:.0%}", loc="left")
        return _png(figure)


def _places(panel: Axes, values: pd.Series) -> pd.Series:
    """Return where `values` lie on a panel's x axis: numbers of an interval at themselves, choices side by side."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
        if values.min() > 0 and values.max() / values.min() > 30:
            panel.set_xscale("log")
        return values
    words = values.astype(str)
    numbers = pd.to_numeric(words, errors="coerce")
    order = list(
        dict.fromkeys(words[numbers.sort_values(kind="stable").index if numbers.notna().all() else words.index])
    )
    panel.set_xticks(range(len(order)), order, rotation=45 if len(order) > 6 else 0)
    return words.map(order.index)


def _scatter(axes: Axes, table: pd.DataFrame, color: str) -> None:
    sample = table.sample(min(SAMPLE, len(table)), random_state=0)
    size, alpha = (20, 0.7) if len(sample) < SAMPLE / 5 else (6, 0.35)
    axes.scatter(sample["truth"], sample["prediction"], s=size, alpha=alpha, color=color, linewidths=0)
    axes.set(xlabel="truth", ylabel="prediction")


def _reliability(axes: Axes, table: pd.DataFrame, color: str) -> None:
    place = np.clip((table["prediction"] * 10).astype(int), 0, 9)
    bins = table.groupby(place).agg(predicted=("prediction", "mean"), share=("truth", "mean"), rows=("truth", "size"))
    axes.plot(bins["predicted"], bins["share"], color=color, linewidth=1.5)
    axes.scatter(bins["predicted"], bins["share"], s=15 + 150 * bins["rows"] / bins["rows"].max(), color=color)
    axes.set(xlabel="predicted probability", ylabel="share of ones", xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    rows, columns = math.ceil(count / COLUMNS), min(count, COLUMNS)
    figure = Figure(figsize=(WIDTH, height * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, number + 1) for number in range(count)]


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "axes.axisbelow": True,
                "axes.grid": True,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "axes.titlesize": 12,
                "font.size": 11,
                "grid.color": "#e6e6e6",
                "grid.linewidth": 0.7,
                "lines.linewidth": 2,
            }
        )
        yield


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Matplotlib writes its version into a PNG by default.
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
