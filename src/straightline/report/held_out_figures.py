"""The pictures of predictions on held-out rows, and of the columns that change them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from straightline.families import Family
from straightline.formatting import number, percent
from straightline.report import held_out as summaries
from straightline.report.figures import Figure, numbers
from straightline.report.pictures import canvas, columns, predictions
from straightline.report.pictures.canvas import WIDTH, Panel
from straightline.report.pictures.classes import Classes
from straightline.report.pictures.predictions import Drawing
from straightline.report.tables import classes_of, important_columns
from straightline.results.files import Results
from straightline.serving.held_out import HeldOut

CAPTIONS = {
    "truth": "Truth by prediction. On the line, both are equal.",
    "residuals": "Truth minus prediction. A pattern here is something that the model has not learned.",
    "calibration": "Mean truth by mean prediction in groups of rows, ordered by prediction. On the line, both are "
    "equal.",
    "reliability": "Share of ones among rows with a similar predicted probability. A larger dot has more rows.",
    "roc": "True and false positive rates at all thresholds. The further above the line, the better.",
    "confusion": "Rows by actual and predicted class. The colour is their share of the rows of the actual class.",
}
CAPTIONS_BY_CLASS = {
    "reliability": "Share of a class among rows with a similar predicted probability of it. Larger dots: more rows.",
    "roc": "True and false positive rates of each class against all others at all thresholds, and the areas below. The "
    "further above the line, the better.",
}
WEIGHTED = {
    "truth": " A larger dot has a larger weight.",
    "residuals": " A larger dot has a larger weight.",
    "confusion": " The numbers are sums of weights.",
}
ERRORS = 3  # Most pairs of classes that the text of a confusion matrix names.


def held_out(results: Results, target: str) -> list[Figure]:
    """Return the family's pictures of the predictions on held-out rows; none if no rows were held out."""
    variants = results.variants_of(target)
    if not variants[0].metrics["rows"]:
        return []
    family, classes = results.family_of(target), classes_of(results, target)
    scores = {variant.model: f"{variant.model}: {_scores(variant.metrics, family)}" for variant in variants}
    rows = {variant.model: variant.held_out for variant in variants}
    figures = []
    for position, drawing in enumerate(_drawings(results, target), start=1):
        caption = _caption(drawing.kind, classes, rows[variants[0].model].weights is not None)
        shown = scores.values() if drawing.model is None else [scores[drawing.model]]
        detail = f"Held-out scores: {'; '.join(shown)}."
        if drawing.kind == "confusion" and drawing.model is not None:
            detail = _confused(drawing.model, rows[drawing.model], classes.names)
        figures.append(
            Figure(
                f"predictions-{target}-{position}",
                canvas.svg(drawing.panel, drawing.width, drawing.height),
                f"{caption} {detail}",
                caption,
                drawing.width,
            )
        )
    return figures


def predictions_panels(results: Results, target: str) -> list[Panel]:
    """Return the panels of `held_out` for predictions-<target>.png, but those that are larger than a panel there."""
    return [drawing.panel for drawing in _drawings(results, target) if drawing.width <= WIDTH]


def _drawings(results: Results, target: str) -> list[Drawing]:
    family = results.family_of(target)
    models = [(variant.model, variant.held_out) for variant in results.variants_of(target)]
    classes = classes_of(results, target)
    return predictions.drawings(family.pictures, models, classes if classes.names else None, family.has_factors)


def _caption(kind: str, classes: Classes, is_weighted: bool) -> str:
    by_class = {} if len(classes.names) < 3 else CAPTIONS_BY_CLASS
    caption = (CAPTIONS | by_class)[kind] + (WEIGHTED.get(kind, "") if is_weighted else "")
    if kind in by_class and len(classes.shown) < len(classes.names):
        caption += f" The {len(classes.shown)} commonest of {len(classes.names)} classes are shown."
    return caption


def _confused(model: str, rows: HeldOut, names: Sequence[str]) -> str:
    """Return what a confusion matrix shows in words: the share of right predictions, and the commonest errors."""
    counts = summaries.confusion(rows, len(names))
    right = percent(counts.trace() / counts.sum())
    wrong = np.where(np.eye(len(names), dtype=bool), 0, counts)
    places = np.argsort(-wrong, axis=None, kind="stable")[:ERRORS]
    pairs = [divmod(int(place), len(names)) for place in places if wrong.flat[place] > 0]
    errors = [
        f"{names[actual]} as {names[predicted]} ({number(wrong[actual, predicted])})" for actual, predicted in pairs
    ]
    return f"{model}: {right} are right. Most errors: {', '.join(errors) or 'none'}."


def by_column(results: Results, target: str) -> Iterator[tuple[str, list[Figure]]]:
    """Yield the most important columns, each with a picture of the gains by bin and one of the partial dependence."""
    verdict = results.verdicts[target]
    effects = {name: results.variants[target, name].effects for name in verdict.challengers}
    curves = {variant.model: variant.dependence for variant in results.variants_of(target)}
    for position, column in enumerate(important_columns(list(curves.values())), start=1):
        gains = {name: _rows_of(table, column) for name, table in effects.items()}
        means = {name: _rows_of(table, column) for name, table in curves.items()}
        gain = Figure(
            f"gains-{target}-{position}",
            canvas.svg(columns.gains(column, gains, numbers(results))),
            f"Loss saved by {', '.join(gains)} in each bin of {column}, with intervals, as in the table below.",
            "Above zero, the loss of the model is lower than that of the straight line.",
        )
        yield column, [gain, _dependence(results, target, f"dependence-{target}-{position}", column, means)]


def _dependence(results: Results, target: str, name: str, column: str, means: Mapping[str, pd.DataFrame]) -> Figure:
    unit, classes = results.family_of(target).prediction_name, classes_of(results, target)
    known = " and ".join(f"{offset} = {value}" for offset, value in _offsets(results, target))
    condition = f"if all rows had this value of the column{f', at {known}' if known else ''}."
    if len(classes.names) < 3:
        panel = columns.dependence(column, means, f"mean {unit}")
        return Figure(
            name,
            canvas.svg(panel),
            f"Mean {unit} by {column}: {_ranges(means)}.",
            f"Mean {unit} {condition}",
        )
    shown = [classes.names[place] for place in classes.shown]
    tables = {
        f"{model}, {classes.names[place]}": table[table["class"].astype(int) == place]
        for model, table in means.items()
        for place in classes.shown
    }
    commonest = "" if len(shown) == len(classes.names) else f" of the {len(shown)} commonest classes"
    return Figure(
        name,
        canvas.svg(columns.dependence_by_class(column, means, f"mean {unit}", classes)),
        f"Mean {unit} of the classes by {column}: {_ranges(tables)}.",
        f"Mean {unit}{commonest} {condition} Colours are classes, dashes and markers are models.",
    )


def _offsets(results: Results, target: str) -> list[tuple[str, int]]:
    """Return the columns of exposure and offset, with the values for which effects of columns are computed."""
    settings = results.schema.targets[target]
    return [(name, value) for name, value in ((settings.exposure, 1), (settings.offset, 0)) if name is not None]


def _ranges(tables: Mapping[str, pd.DataFrame]) -> str:
    return "; ".join(
        f"{name} from {number(table['prediction'].min())} to {number(table['prediction'].max())}"
        for name, table in tables.items()
    )


def _rows_of(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[table["column"] == column]


def _scores(metrics: Mapping[str, Any], family: Family) -> str:
    return ", ".join(f"{family.metrics[name]} {number(metrics[name])}" for name in family.headline_metrics)
