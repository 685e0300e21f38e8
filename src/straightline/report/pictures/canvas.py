"""Panels as SVG or PNG: the same bytes for the same numbers, whatever the user's matplotlibrc says."""

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

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
DASHES = ("-", "--", ":", "-.")  # a round of colors each, where there are more models than colors
WIDTH, HEIGHT = 4.8, 3.1  # inches of a panel, so that text stays legible on a phone
COLUMNS = 2  # panels beside each other
TAG = re.compile(r"<[^>]+>")  # and not the names between them
TICKS = 6  # of an axis, about
LETTER, LINE = 0.078, 0.22  # inches of a label's letter and line
LONGEST = 30  # letters of a name in a picture; tables have all of it
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

    Colors are CSS variables by the names in LIGHT.
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
    """Return an `<svg>` element of `svg` as a file of its own, in light and dark."""
    light, dark = ("; ".join(f"--{name}: {color}" for name, color in own.items()) for own in (LIGHT, DARK))
    style = f"<style>:root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}</style>"
    return re.sub(r"(<svg[^>]*>)", rf"\1{style}", element, count=1)


def inline(element: str, name: str) -> str:
    """Return an `<svg>` element whose ids start with `name`, so that a page may have several."""
    return TAG.sub(lambda tag: re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", tag[0]), element)


def png(panels: Sequence[Panel], shared_legend: bool = False) -> bytes:
    """Return panels, COLUMNS beside each other, as a PNG; with `shared_legend` the first one's stands above all."""
    rows, columns = math.ceil(len(panels) / COLUMNS), min(len(panels), COLUMNS)
    with _style():
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows), layout="constrained")
        axes = [figure.add_subplot(rows, columns, number + 1) for number in range(len(panels))]
        for panel, own in zip(panels, axes, strict=True):
            panel(own)
            _few_ticks(own)
        if shared_legend:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=min(len(labels), 4), frameon=False)
        # Matplotlib writes its version into a PNG by default.
        return _saved(figure, "png", {"Software": None})


def legend(axes: Axes) -> None:
    """Put the legend above the panel, where it hides nothing."""
    handles, _ = axes.get_legend_handles_labels()
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=min(len(handles), 3),
        frameon=False,
        borderaxespad=0.2,
        fontsize=9,
    )


def plain_labels(axis: Axis) -> None:
    """Label an axis, logarithmic or not, with numbers as they are written in text, and without minor ticks."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def line(number: int) -> dict[str, Any]:
    """Return color and dash of the model of that number, the same in all pictures."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": DASHES[number // len(COLORS) % len(DASHES)]}


def short(name: str) -> str:
    """Return a name that fits into a picture."""
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
    """Leave room for labels by their lengths: matplotlib's own layouts draw all twice, which takes twice as long."""
    width, height = figure.get_size_inches()
    upright = any(label.get_rotation() for label in axes.get_xticklabels())
    left = 0.15 + LETTER * _longest(axes.yaxis) + (LINE if axes.get_ylabel() else 0)
    bottom = 0.12 + LINE + (LETTER * _longest(axes.xaxis) if upright else LINE)
    top = LINE + 0.05 if axes.get_legend() or axes.get_title("left") or axes.get_title("right") else 0.1
    figure.subplots_adjust(left / width, bottom / height, 1 - 0.2 / width, 1 - top / height)


def _longest(axis: Axis) -> int:
    labels = axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))
    return max(map(len, labels), default=0)


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=130, metadata=metadata, transparent=kind == "svg")
    return buffer.getvalue()


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        # Only widths are measured with matplotlib's font; browsers find one that has the letter.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield
