"""Turn panels into SVG or PNG. The same numbers give the same bytes, whatever is in the user's matplotlibrc."""

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

Panel = Callable[[Axes], None]

LIGHT = {
    "ink": "#1d2330",
    "soft": "#535d70",
    "grid": "#e1e5ec",
    "series-1": "#2f6db5",
    "series-2": "#c8552f",
    "series-3": "#2f8658",
    "series-4": "#8157ad",
    "series-5": "#94701a",
    "series-6": "#5b6771",
}
DARK = {
    "ink": "#e8eaf0",
    "soft": "#a9b2c2",
    "grid": "#363d4a",
    "series-1": "#7fb2ee",
    "series-2": "#f2936c",
    "series-3": "#63c797",
    "series-4": "#bd9be0",
    "series-5": "#dcc869",
    "series-6": "#a3b0bb",
}
INK, SOFT, GRID, *COLORS = LIGHT.values()
DASHES = ("-", "--", ":", "-.")  # If there are more models than colors, the colors repeat with the next dash.
WIDTH, HEIGHT = 4.8, 3.1  # inches of a panel: small, so that its text stays legible on a phone
COLUMNS = 2  # panels side by side in a PNG
TAG = re.compile(r"<[^>]+>")  # the tags of an SVG, without the text between them
# Ticks in a decade of a logarithmic axis, if its ends differ by less than a factor.
PARTS = ((4.0, (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)), (40.0, (1.0, 2.0, 5.0)), (400.0, (1.0, 3.0)))
TICKS = 6  # intervals between the ticks of an axis, at most
LINE = 0.22  # inches: height of a line in a label
RIGHT = 0.2  # inches: the right margin
ROOM = 1.1  # A browser may have a font that is a tenth wider than matplotlib's.
LEGEND_SIZE = 9  # points
HANDLE = 0.55  # inches: the sign of a legend's entry, and the space around it
MOST_ENTRIES = 3  # side by side in a legend
LONGEST = 30  # letters of a name in a picture; tables show the whole name
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 2,
    "svg.fonttype": "none",
    "svg.hashsalt": "straightline",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
}


def svg(panel: Panel, width: float = WIDTH, height: float = HEIGHT) -> str:
    """Return the panel as an `<svg>` element of `width` x `height` inches, for a page that defines the colors.

    Its colors are CSS variables, with the names in LIGHT.
    """
    with _style():
        figure = Figure(figsize=(width, height))
        axes = figure.add_subplot()
        panel(axes)
        _few_ticks(axes)
        _set_margins(figure, axes)
        text = _saved(figure, "svg", {"Date": None, "Creator": None, "Format": None, "Type": None})
    return TAG.sub(_with_variables, text[text.index(b"<svg") :].decode())


def standalone(element: str) -> str:
    """Return the content of a standalone SVG file, in light and dark colors, from an `<svg>` element of `svg`."""
    light, dark = ("; ".join(f"--{name}: {color}" for name, color in theme.items()) for theme in (LIGHT, DARK))
    style = f"<style>:root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1{style}", element, count=1)


def inline(element: str, name: str) -> str:
    """Return the `<svg>` element with `name` before all its ids, so that one page can have several pictures."""
    return TAG.sub(lambda tag: re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", tag[0]), element)


def png(panels: Sequence[Panel], shared_legend: bool = False) -> bytes:
    """Return the panels as a PNG with COLUMNS columns. With `shared_legend`, the first panel's legend is above all."""
    rows, columns = math.ceil(len(panels) / COLUMNS), min(len(panels), COLUMNS)
    with _style():
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), layout="constrained")
        axes = [figure.add_subplot(rows, columns, number + 1) for number in range(len(panels))]
        for panel, panel_axes in zip(panels, axes, strict=True):
            panel(panel_axes)
            _few_ticks(panel_axes)
        if shared_legend:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4), frameon=False)
        # By default matplotlib writes its version into a PNG, which would change the bytes.
        return _saved(figure, "png", {"Software": None})


def legend(axes: Axes, title: str | None = None) -> None:
    """Put the legend above the panel, so that it hides no data, below a `title`, in as many columns as fit."""
    _few_ticks(axes)  # They decide how much room there is.
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=_legend_columns(axes),
        frameon=False,
        borderaxespad=0.2,
        fontsize=LEGEND_SIZE,
        title=title,
        title_fontsize=STYLE["axes.titlesize"],
        alignment="left",
        columnspacing=1.2,
        handlelength=2.4,
    )


@lru_cache(maxsize=10_000)  # The letters of a label are outlines, which take a millisecond to measure.
def text_width(text: str, points: float) -> float:
    """Return the width in inches of a `text` whose letters have a size of `points`."""
    return float(ROOM * TextPath((0, 0), text, points).get_extents().width / 72) if text else 0.0


def plain_labels(axis: Axis) -> None:
    """Label an axis with plain numbers, even if it is logarithmic, and remove its minor ticks.

    A logarithmic axis of few decades gets more than one tick for each.
    """
    if axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        parts = next((parts for factor, parts in PARTS if high < factor * low), (1.0,))
        axis.set_major_locator(LogLocator(subs=parts))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def line(number: int) -> dict[str, Any]:
    """Return the color and the dash of the model with this number. They are the same in all pictures."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": DASHES[number // len(COLORS) % len(DASHES)]}


def short(name: str) -> str:
    """Return `name`, cut to LONGEST letters so that it fits into a picture."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _with_variables(tag: re.Match[str]) -> str:
    text = tag[0]
    for name, color in LIGHT.items():
        text = text.replace(color, f"var(--{name})")
    return text


def _few_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(locator := axis.get_major_locator(), MaxNLocator):
            locator.set_params(nbins=TICKS)


def _set_margins(figure: Figure, axes: Axes) -> None:
    """Set the margins from the lengths of the labels. Matplotlib's layouts draw twice and so take twice as long.

    A legend of several lines makes the figure higher.
    """
    width, height = figure.get_size_inches()
    is_upright = any(label.get_rotation() for label in axes.get_xticklabels())
    bottom = 0.12 + LINE + (_longest(axes.xaxis) if is_upright else LINE)
    lines = _lines_above(axes)
    height += max(lines - 1, 0) * LINE
    figure.set_size_inches(width, height)
    top = lines * LINE + 0.05 if lines else 0.1
    figure.subplots_adjust(_left(axes) / width, bottom / height, 1 - RIGHT / width, 1 - top / height)


def _lines_above(axes: Axes) -> int:
    """Return the number of lines of the legend or the title."""
    shown = axes.get_legend()
    if shown is None:
        return int(bool(axes.get_title("left") or axes.get_title("right")))
    return math.ceil(len(shown.get_texts()) / _legend_columns(axes)) + bool(shown.get_title().get_text())


def _legend_columns(axes: Axes) -> int:
    _, labels = axes.get_legend_handles_labels()
    entry = HANDLE + max((text_width(label, LEGEND_SIZE) for label in labels), default=0.0)
    most = max(min(MOST_ENTRIES, int(plot_width(axes) // entry)), 1)
    return math.ceil(len(labels) / math.ceil(len(labels) / most)) if labels else 1


def _left(axes: Axes) -> float:
    return 0.15 + _longest(axes.yaxis) + (LINE if axes.get_ylabel() else 0)


def plot_width(axes: Axes) -> float:
    """Return the width in inches that a panel has beside its labels."""
    figure, place = axes.get_figure(root=True), axes.get_subplotspec()
    columns = 1 if place is None else place.get_gridspec().ncols
    return float(figure.get_figwidth() / columns - _left(axes) - RIGHT) if figure is not None else WIDTH


def _longest(axis: Axis) -> float:
    """Return the width in inches of the longest label of an axis."""
    labels = axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))
    return max((text_width(label, STYLE["font.size"]) for label in labels), default=0.0)


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=130, metadata=metadata, transparent=kind == "svg")
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        # Matplotlib's font only serves to measure widths. A browser chooses a font that has the letter.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield
