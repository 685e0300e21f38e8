"""Write the report as one self-contained HTML page, and as Markdown for pull requests."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from straightline.formatting import number, percent
from straightline.report.content import Content
from straightline.report.figures import Figure
from straightline.report.pictures import canvas

SMALL = 5e-4  # A smaller change is 0.0 % after rounding.
MARKED = re.compile(r"([\\`*_\[\]<>#|~$&])")  # characters with a meaning in Markdown


def html(content: Content) -> str:
    """Return the HTML page. It needs no other file and no network."""
    return _template("report.html.jinja", jinja2.select_autoescape(default=True), None).render(
        content.values, light=canvas.LIGHT, dark=canvas.DARK, inline=_inline
    )


def markdown(content: Content) -> str:
    """Return the report in GitHub's Markdown. Its pictures are the files of `pictures`."""
    return _template("report.md.jinja", False, _escaped).render(content.values)


def pictures(content: Content) -> Mapping[str, str]:
    """Return the pictures as standalone SVG files, by file name."""
    return {f"{figure.name}.svg": canvas.standalone(figure.svg) for figure in content.figures}


def _inline(figure: Figure) -> Markup:
    return Markup(canvas.inline(figure.svg, figure.name))


def _escaped(value: Any) -> Any:
    """Return `value` with Markdown's special characters escaped."""
    return value if isinstance(value, Markup) else MARKED.sub(r"\\\1", " ".join(str(value).splitlines()))


def _moved(change: float) -> str:
    """Return a relative change of the loss in words."""
    if abs(change) < SMALL:
        return "hardly changed"
    return f"{'fell' if change < 0 else 'rose'} by {percent(abs(change))}"


def _value(value: Any) -> str:
    """Return the end of a bin as text: a number, a level, or `missing`."""
    try:
        return "missing" if pd.isna(value) else f"{float(value):.4g}"
    except ValueError:
        return str(value)


def _template(name: str, autoescape: Any, finalize: Callable[[Any], Any] | None) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("straightline.report"),
        autoescape=autoescape,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "moved": _moved,
        "significant": lambda value: f"{value:.4g}",
        "value": _value,
        "verbatim": Markup,
    }
    return environment.get_template(name)
