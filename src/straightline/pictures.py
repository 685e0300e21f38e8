"""Results as pictures: PNG bytes that are the same for the same numbers."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLORS = ("#3b6fb6", "#d1603d", "#4c9a6a", "#8a63b0", "#b58a2a", "#5b6770")
SAMPLE = 2000  # points of a scatter plot; more hide each other


def losses(curves: Sequence[tuple[str, pd.DataFrame]]) -> bytes:
    """Return the loss curves of all variants, `(name, table with epoch and shown)`, on one logarithmic axis."""
    figure, axes = _figure(8.4, 4.2)
    for (name, table), color in zip(curves, _cycle(len(curves)), strict=True):
        axes.plot(table["epoch"], table["shown"], color=color, label=name, linewidth=2)
    axes.set(xlabel="epoch", ylabel="loss", yscale="log")
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _png(figure)


def predictions(task: str, models: Sequence[tuple[str, pd.DataFrame]]) -> bytes:
    """Return predictions against truth, a panel a model, `(name, table with truth and prediction)`.

    Continuous: a sample of the rows about the diagonal. Binary: the share of ones by predicted probability, in ten bins
    of equal width, the size of a point standing for its rows.
    """
    figure = Figure(figsize=(4.2 * len(models), 4.0), layout="constrained")
    panels = figure.subplots(1, len(models), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (name, table), color in zip(panels, models, _cycle(len(models)), strict=True):
        _plain(axes)
        if task == "continuous":
            _scatter(axes, table, color)
        else:
            _reliability(axes, table, color)
        axes.set_title(name, fontsize=11, loc="left")
    return _png(figure)


def _scatter(axes: Axes, table: pd.DataFrame, color: str) -> None:
    sample = table.sample(min(SAMPLE, len(table)), random_state=0)
    low, high = table.to_numpy().min(), table.to_numpy().max()
    axes.plot([low, high], [low, high], color="#999999", linewidth=1)
    axes.scatter(sample["truth"], sample["prediction"], s=5, alpha=0.35, color=color, linewidths=0)
    axes.set(xlabel="truth", ylabel="prediction")


def _reliability(axes: Axes, table: pd.DataFrame, color: str) -> None:
    place = np.clip((table["prediction"] * 10).astype(int), 0, 9)
    bins = table.groupby(place).agg(predicted=("prediction", "mean"), share=("truth", "mean"), rows=("truth", "size"))
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    axes.plot(bins["predicted"], bins["share"], color=color, linewidth=1.5)
    axes.scatter(bins["predicted"], bins["share"], s=15 + 150 * bins["rows"] / bins["rows"].max(), color=color)
    axes.set(xlabel="predicted probability", ylabel="share of ones")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)


def _cycle(count: int) -> list[str]:
    return [COLORS[number % len(COLORS)] for number in range(count)]


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Matplotlib writes its version into a PNG by default.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
