"""The first screen of a comparison as a fragment of HTML for a notebook: scoped styles, no script."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from straightline.formatting import number
from straightline.report import figures
from straightline.report.pictures import canvas
from straightline.results import sentences
from straightline.results.files import Results

MOST_TERMS = 12


def fragment(results: Results, target: str) -> str:
    """Return the answer, the picture behind it, the models and the coefficients of the straight line."""
    verdict, variants = results.verdicts[target], results.variants_of(target)
    family, schema = results.family_of(target), results.schema.targets[target]
    figure = figures.answer(results, target)
    table = results.variants[target, verdict.baseline].coefficients
    terms = [] if table is None else table.to_dict("records")
    headline = sentences.headline(verdict, schema.column, family.baseline_title(schema))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("straightline.interface"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "unbroken": unbroken}
    return environment.get_template("fragment.html.jinja").render(
        verdict=verdict,
        headline=headline,
        interval_level=f"{200 * verdict.confidence - 100:.4g}",
        loss_name=family.loss_title,
        baseline_name=family.baseline_title(schema),
        unit=family.coefficient_unit(schema),
        models=[(variant.model, variant.metrics.get("loss")) for variant in variants],
        figure=Markup(canvas.inline(figure.svg, figure.name)),
        alt=figure.alt,
        terms=terms[:MOST_TERMS],
        left_out=max(len(terms) - MOST_TERMS, 0),
        warnings=results.schema.warnings,
        light=canvas.LIGHT,
        dark=canvas.DARK,
    )


def unbroken(sentence: str) -> str:
    """Return a sentence whose percent signs stay on the line of their numbers."""
    return sentence.replace(" %", "\u00a0%")
