"""The report's pictures, each with what a screen reader says instead of it and what stands below it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from straightline.families import Family
from straightline.formatting import number, percent
from straightline.report.pictures import canvas, columns, comparison, predictions
from straightline.report.pictures.canvas import WIDTH, Panel
from straightline.report.tables import important_columns, learning_table
from straightline.results.files import Results, Variant
from straightline.runtime.artifacts import read_parquet

TERMS = 25  # of a regression that a picture shows, at most; the table has all


@dataclass(frozen=True)
class Figure:
    """A picture: its file's `name` without ending, the `<svg>` element, `alt` text and caption."""

    name: str
    svg: str
    alt: str
    caption: str


def answer(results: Results, target: str) -> Figure:
    """Return the picture that shows why: each fold's difference against the margin."""
    verdict = results.verdicts[target]
    challengers = [_gains(results, target, name) for name in verdict.challengers]
    margin = verdict.margin
    told = "; ".join(
        f"{one.name}: {percent(one.gain)}, interval {percent(one.low)} to {percent(one.high)}" for one in challengers
    )
    return Figure(
        name=f"differences-{target}",
        svg=canvas.svg(comparison.differences(challengers, margin), WIDTH * 1.12, 1.2 + 0.6 * len(challengers)),
        alt=f"What each model saves of the straight line's loss, fold by fold, against the margin of "
        f"{100 * margin:.3g} %. {told}.",
        caption=f"Each dot is a fold ({verdict.repeats} × {verdict.folds}, the same for all models); the diamond "
        "is their mean, the bar its interval. Differences in the shaded strip are too small to matter: by your margin, "
        "neither side is better. Right of the dashed line the straight line is not enough.",
    )


def losses(results: Results, target: str) -> Figure:
    """Return the loss by epoch of the target's models, with the spread of the fold fits."""
    variants, name = results.variants_of(target), _loss_name(results, target)
    told = "; ".join(
        f"{one.model}: {number(one.curve['shown'].iloc[-1])} after {one.weights['epochs']} epochs" for one in variants
    )
    fits = max(results.verdicts[target].fits.values())
    return Figure(
        name=f"losses-{target}",
        svg=canvas.svg(losses_panel(results, target)),
        alt=f"{name} by epoch. Last values: {told}.",
        caption="Final models, on the validation rows of a network, and on the training rows of a regression, which "
        f"descends on all of them. Bands: from 5 to 95 % of a network's fold fits (up to {fits:,}); a fit that has "
        "stopped keeps its best.",
    )


def losses_panel(results: Results, target: str, title: str = "") -> Panel:
    """Return its panel, which stands in losses.png too."""
    curves = [comparison.Curve(one.model, one.curve, one.fold_history) for one in results.variants_of(target)]
    return comparison.losses(curves, _loss_name(results, target), title)


def learning(results: Results, target: str) -> Figure | None:
    """Return the loss by number of training rows, or None where rows are too few for shares of them."""
    tables = {one.model: learning_table(one) for one in results.variants_of(target)}
    if any(table["rows"].nunique() < 2 for table in tables.values()):
        return None
    means = {name: table.groupby("rows")["loss"].mean() for name, table in tables.items()}
    told = "; ".join(
        f"{name}: {number(own.iloc[0])} with {own.index[0]:,} rows, {number(own.iloc[-1])} with {own.index[-1]:,}"
        for name, own in means.items()
    )
    return Figure(
        name=f"learning-{target}",
        svg=canvas.svg(comparison.learning(tables, _loss_name(results, target))),
        alt=f"{_loss_name(results, target)} by number of training rows. {told}.",
        caption="Both models on the same rows, scored on the same folds (thin lines: single folds; thick: their mean).",
    )


def coefficients(results: Results, variant: Variant) -> Figure | None:
    """Return the regression's estimates with their intervals, those of the largest statistics where they are many.

    None where no estimate is known.
    """
    table = variant.coefficients
    assert table is not None
    slopes = table[(table["term"] != "Intercept") & table["estimate"].notna()]
    if not len(slopes):
        return None
    largest = slopes["statistic"].abs().sort_values(ascending=False, kind="stable", na_position="last").index[:TERMS]
    kept = slopes.loc[sorted(largest)]
    unit = results.family_of(variant.target).coefficient_unit(results.schema.targets[variant.target])
    some = f" The {TERMS} terms with the largest statistics of {len(slopes)}." if len(slopes) > TERMS else ""
    return Figure(
        name=f"coefficients-{variant.target}-{variant.model}",
        svg=canvas.svg(comparison.coefficients(kept, "estimate"), WIDTH, 1.0 + 0.28 * max(len(kept), 3)),
        alt=f"Estimates and 95 % intervals of {len(kept)} terms of {variant.model}, as in the table beside.",
        caption=f"Estimates with 95 % intervals, in {unit} a unit of the term.{some}",
    )


def held_out(results: Results, target: str) -> list[Figure]:
    """Return predictions against truth and residuals, or calibration and ROC; nothing without held-out rows."""
    variants = results.variants_of(target)
    if not variants[0].metrics["rows"]:
        return []
    family = results.family_of(target)
    scores = "; ".join(f"{variant.model}: {_scores(variant.metrics, family)}" for variant in variants)
    captions = {
        "truth": "Truth by prediction; on the line is right.",
        "residuals": "What predictions miss; a pattern here is what the model has not learned.",
        "reliability": "Of the rows given a probability, the share of ones; a larger dot stands for more rows.",
        "roc": "True against false positives over all thresholds; the further from the line, the better.",
    }
    panels = predictions.panels(family.pictures, _named(variants))
    return [
        Figure(
            f"predictions-{target}-{place}",
            canvas.svg(panel),
            f"{captions[kind]} Held-out scores: {scores}.",
            captions[kind],
        )
        for place, (kind, panel) in enumerate(panels, start=1)
    ]


def predictions_panels(results: Results, target: str) -> list[Panel]:
    """Return the same panels for predictions-<target>.png."""
    variants = results.variants_of(target)
    return [panel for _, panel in predictions.panels(results.family_of(target).pictures, _named(variants))]


def by_column(results: Results, target: str) -> Iterator[tuple[str, list[Figure]]]:
    """Yield the columns that matter most, each with its gains by bin and the models' partial dependence."""
    verdict = results.verdicts[target]
    effects = {name: results.variants[target, name].effects for name in verdict.challengers}
    curves = {one.model: one.dependence for one in results.variants_of(target)}
    unit = results.family_of(target).prediction_name
    for place, column in enumerate(important_columns(list(curves.values())), start=1):
        gains = {name: _of(table, column) for name, table in effects.items()}
        means = {name: _of(table, column) for name, table in curves.items()}
        names = ", ".join(gains)
        yield (
            column,
            [
                Figure(
                    f"gains-{target}-{place}",
                    canvas.svg(columns.gains(column, gains, _numbers(results))),
                    f"Loss that {names} saves by {column}, with intervals, as in the table below.",
                    "Above zero the model's loss is lower than the straight line's.",
                ),
                Figure(
                    f"dependence-{target}-{place}",
                    canvas.svg(columns.dependence(column, means, f"mean {unit}")),
                    f"Mean {unit} by {column}: {_ranges(means)}.",
                    f"Mean {unit} if all rows had that value.",
                ),
            ],
        )


def _ranges(tables: Mapping[str, pd.DataFrame]) -> str:
    return "; ".join(
        f"{name} from {number(table['prediction'].min())} to {number(table['prediction'].max())}"
        for name, table in tables.items()
    )


def _of(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[table["column"] == column]


def _named(variants: list[Variant]) -> list[tuple[str, pd.DataFrame]]:
    return [(one.model, read_parquet(one.predictions)) for one in variants]


def _scores(metrics: Mapping[str, Any], family: Family) -> str:
    return ", ".join(f"{family.metrics[name]} {number(metrics[name])}" for name in family.headline_metrics)


def _gains(results: Results, target: str, name: str) -> comparison.Gains:
    verdict = results.verdicts[target]
    line, own = (results.variants[target, model].fold_losses for model in (verdict.baseline, name))
    found = verdict.challengers[name]
    scale = float(line.mean()) or 1.0
    folds = ((line - own) / scale).to_numpy()
    return comparison.Gains(name, _numbers(results)[name], folds, found.relative_gain, *found.relative_gain_interval)


def _numbers(results: Results) -> dict[str, int]:
    return {name: number for number, name in enumerate(results.config.models)}


def _loss_name(results: Results, target: str) -> str:
    return results.family_of(target).loss_title
