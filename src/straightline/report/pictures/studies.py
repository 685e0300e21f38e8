"""Pictures of studies: the configs of a sweep, and how often the verdict is wrong on simulated tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from straightline.report.pictures import canvas
from straightline.report.pictures.canvas import COLORS, SOFT, Panel


def calibration(table: pd.DataFrame) -> bytes:
    """Return as PNG how often the verdict is `challenger_better`, by number of rows, from calibration.csv.

    There is a panel for each family and noise, and a line for each truth, with the same color in all panels. Of
    scenarios that were simulated several times, the picture has the one with the most simulations.
    """
    largest = table.sort_values("simulations").drop_duplicates(["family", "noise", "truth", "rows"], keep="last")
    truths = list(largest.sort_values(["gain", "truth"])["truth"].unique())
    sizes = sorted(largest["rows"].unique())
    groups = largest.groupby(["family", "noise"], sort=False)
    panels = [_rates(f"{family}, {noise} noise", group, truths, sizes) for (family, noise), group in groups]
    return canvas.png(panels, shared_legend=True)


def _rates(title: str, group: pd.DataFrame, truths: list[str], sizes: list[int]) -> Panel:
    def draw(axes: Axes) -> None:
        for number, truth in enumerate(truths):
            scenarios = group[group["truth"] == truth].sort_values("rows")
            axes.errorbar(
                scenarios["rows"] * 1.03 ** (number - len(truths) / 2),  # shifted, so that bars do not overlap
                scenarios["rate"],
                [scenarios["rate"] - scenarios["rate_low"], scenarios["rate_high"] - scenarios["rate"]],
                label=truth,
                color=COLORS[number % len(COLORS)],
                marker="o",
                markersize=4,
                linewidth=1.5,
                capsize=2,
            )
        axes.axhline(1 - float(group["confidence"].iloc[0]), color=SOFT, linewidth=1, linestyle=":")
        axes.set_title(title, loc="left")
        axes.set(xlabel="rows", ylabel="says «network better»", xscale="log", ylim=(-0.03, 1.03))
        axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
        axes.set_xticks(sizes, labels=[f"{size:,}" for size in sizes])
        axes.minorticks_off()

    return draw


def sweep(table: pd.DataFrame, importances: Mapping[str, float]) -> bytes:
    """Return as PNG the loss of each config by its settings, with a panel for each key of `importances`.

    The importance of a setting is in the title of its panel. `table` has a column for each key, and `loss`. The best
    config is marked.
    """
    return canvas.png([_slice(table, key, share) for key, share in importances.items()])


def _slice(table: pd.DataFrame, key: str, share: float) -> Panel:
    best, lowest = table.sort_values("loss").head(1), float(table["loss"].min())
    top = float(table["loss"].quantile(0.9))  # Much higher losses would press all others to the axis.

    def draw(axes: Axes) -> None:
        places = _places(axes, table[key])
        axes.scatter(places, table["loss"], s=14, alpha=0.5, color=COLORS[0], linewidths=0)
        axes.scatter(places[best.index], best["loss"], s=60, color=COLORS[1], marker="*")
        axes.set(xlabel=key, ylabel="loss")
        axes.set_ylim(lowest - 0.05 * (top - lowest), top if top > lowest else None)
        axes.set_title("" if np.isnan(share) else f"importance {share:.0%}", loc="left")

    return draw


def _places(axes: Axes, values: pd.Series) -> pd.Series:
    """Return the positions of `values` on the x axis: numbers at their value, choices side by side in their order.

    Numbers with at most ten distinct values count as choices.
    """
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
        if values.min() > 0 and values.max() / values.min() > 30:
            axes.set_xscale("log")
        return values
    words = values.astype(str)
    numbers = pd.to_numeric(words, errors="coerce")
    order = list(
        dict.fromkeys(words[numbers.sort_values(kind="stable").index if numbers.notna().all() else words.index])
    )
    axes.set_xticks(range(len(order)), order, rotation=45 if len(order) > 6 else 0)
    return words.map(order.index)
