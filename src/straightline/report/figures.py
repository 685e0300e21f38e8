"""The pictures of the report, each with a caption and with a text for screen readers."""

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

TERMS = 25  # A picture shows at most this many terms of a regression; the table has all.


@dataclass(frozen=True)
class Figure:
    """A picture: the `name` of its file without the ending, the `<svg>` element, the `alt` text and the caption."""

    name: str
    svg: str
    alt: str
    caption: str


def answer(results: Results, target: str) -> Figure:
    """Return the picture behind the answer: the difference in each fold, compared with the margin."""
    verdict = results.verdicts[target]
    challengers = [_gains(results, target, name) for name in verdict.challengers]
    margin = verdict.margin
    gains = "; ".join(
        f"{challenger.name}: {percent(challenger.gain)}, interval {percent(challenger.low)} to "
        f"{percent(challenger.high)}"
        for challenger in challengers
    )
    return Figure(
        name=f"differences-{target}",
        svg=canvas.svg(answer_panel(results, target), WIDTH * 1.12, 1.2 + 0.6 * len(challengers)),
        alt=f"Share of the straight line's loss that each model saves in each fold, and the margin of "
        f"{100 * margin:.3g} %. {gains}.",
        caption=f"Each dot is a fold ({verdict.repeats} × {verdict.folds}, the same for all models). The diamond is "
        "the mean, the bar its interval. Differences in the shaded strip are smaller than your margin: neither side "
        "is better. To the right of the dashed line, the straight line is not enough.",
    )


def answer_panel(results: Results, target: str) -> Panel:
    """Return the panel of `answer`."""
    verdict = results.verdicts[target]
    return comparison.differences([_gains(results, target, name) for name in verdict.challengers], verdict.margin)


def losses(results: Results, target: str) -> Figure:
    """Return the loss by epoch of the target's models, with the spread of the fold fits."""
    last_values = "; ".join(
        f"{variant.model}: {number(variant.curve['shown'].iloc[-1])} after {variant.weights['epochs']} epochs"
        for variant in results.variants_of(target)
    )
    fits = max(results.verdicts[target].fits.values())
    return Figure(
        name=f"losses-{target}",
        svg=canvas.svg(losses_panel(results, target)),
        alt=f"{_loss_name(results, target)} by epoch. Last values: {last_values}.",
        caption="Loss of the final models: of a network on its validation rows, of a regression on its training "
        f"rows, since it trains on all rows. Bands: 5 to 95 % of a network's fold fits (up to {fits:,}). A fit that "
        "has stopped counts with its best loss.",
    )


def losses_panel(results: Results, target: str, title: str = "") -> Panel:
    """Return the panel of `losses`, which is also in losses.png."""
    curves = [
        comparison.Curve(variant.model, variant.curve, variant.fold_history) for variant in results.variants_of(target)
    ]
    return comparison.losses(curves, _loss_name(results, target), title)


def learning(results: Results, target: str) -> Figure | None:
    """Return the loss by number of training rows, or None if there are too few rows."""
    tables = {variant.model: learning_table(variant) for variant in results.variants_of(target)}
    if any(table["rows"].nunique() < 2 for table in tables.values()):
        return None
    means = {name: table.groupby("rows")["loss"].mean() for name, table in tables.items()}
    first_and_last = "; ".join(
        f"{name}: {number(mean.iloc[0])} with {mean.index[0]:,} rows, {number(mean.iloc[-1])} with {mean.index[-1]:,}"
        for name, mean in means.items()
    )
    return Figure(
        name=f"learning-{target}",
        svg=canvas.svg(comparison.learning(tables, _loss_name(results, target))),
        alt=f"{_loss_name(results, target)} by number of training rows. {first_and_last}.",
        caption="All models train on the same rows and are scored on the same folds. Thin lines are single folds, "
        "thick lines their means.",
    )


def coefficients(results: Results, variant: Variant) -> Figure | None:
    """Return the effects of a standard deviation of each term; at most TERMS, those with the largest statistics.

    Return None if no estimate is known.
    """
    table = variant.coefficients
    assert table is not None
    slopes = table[(table["term"] != "Intercept") & table["estimate"].notna()]
    if not len(slopes):
        return None
    largest = slopes["statistic"].abs().sort_values(ascending=False, kind="stable", na_position="last").index[:TERMS]
    kept = standardized(slopes.loc[sorted(largest)])
    unit = results.family_of(variant.target).coefficient_unit(results.schema.targets[variant.target])
    selection = f" These {TERMS} of {len(slopes)} terms have the largest statistics." if len(slopes) > TERMS else ""
    return Figure(
        name=f"coefficients-{variant.target}-{variant.model}",
        svg=canvas.svg(
            comparison.coefficients(kept, "effect of a standard deviation"), WIDTH, 1.0 + 0.28 * max(len(kept), 3)
        ),
        alt=f"Effects and 95 % intervals of {len(kept)} terms of {variant.model}, from the estimates in the table.",
        caption=f"Change in {unit} if a term rises by its standard deviation, with 95 % intervals.{selection}",
    )


def standardized(table: pd.DataFrame) -> pd.DataFrame:
    """Return coefficients, with the estimates and the ends of their intervals per standard deviation of the term."""
    columns = ["estimate", "ci_low", "ci_high"]
    return table.assign(**{name: table[name] * table["scale"] for name in columns})


def held_out(results: Results, target: str) -> list[Figure]:
    """Return pictures of the predictions on held-out rows; none if no rows were held out.

    They show truth and residuals by prediction, or, for a binary target, calibration and the ROC curve.
    """
    variants = results.variants_of(target)
    if not variants[0].metrics["rows"]:
        return []
    family = results.family_of(target)
    scores = "; ".join(f"{variant.model}: {_scores(variant.metrics, family)}" for variant in variants)
    captions = {
        "truth": "Truth by prediction. Predictions on the line are right.",
        "residuals": "Truth minus prediction. A pattern here is something that the model has not learned.",
        "reliability": "Share of ones among rows with a similar predicted probability. A larger dot has more rows.",
        "roc": "True and false positive rates at all thresholds. The further above the line, the better.",
    }
    panels = predictions.panels(family.pictures, _named(variants))
    return [
        Figure(
            f"predictions-{target}-{position}",
            canvas.svg(panel),
            f"{captions[kind]} Held-out scores: {scores}.",
            captions[kind],
        )
        for position, (kind, panel) in enumerate(panels, start=1)
    ]


def predictions_panels(results: Results, target: str) -> list[Panel]:
    """Return the panels of `held_out` for predictions-<target>.png."""
    variants = results.variants_of(target)
    return [panel for _, panel in predictions.panels(results.family_of(target).pictures, _named(variants))]


def by_column(results: Results, target: str) -> Iterator[tuple[str, list[Figure]]]:
    """Yield the most important columns, each with a picture of the gains by bin and one of the partial dependence."""
    verdict = results.verdicts[target]
    effects = {name: results.variants[target, name].effects for name in verdict.challengers}
    curves = {variant.model: variant.dependence for variant in results.variants_of(target)}
    unit = results.family_of(target).prediction_name
    for position, column in enumerate(important_columns(list(curves.values())), start=1):
        gains = {name: _rows_of(table, column) for name, table in effects.items()}
        means = {name: _rows_of(table, column) for name, table in curves.items()}
        names = ", ".join(gains)
        yield (
            column,
            [
                Figure(
                    f"gains-{target}-{position}",
                    canvas.svg(columns.gains(column, gains, _numbers(results))),
                    f"Loss saved by {names} in each bin of {column}, with intervals, as in the table below.",
                    "Above zero, the loss of the model is lower than that of the straight line.",
                ),
                Figure(
                    f"dependence-{target}-{position}",
                    canvas.svg(columns.dependence(column, means, f"mean {unit}")),
                    f"Mean {unit} by {column}: {_ranges(means)}.",
                    f"Mean {unit} if all rows had this value of the column.",
                ),
            ],
        )


def _ranges(tables: Mapping[str, pd.DataFrame]) -> str:
    return "; ".join(
        f"{name} from {number(table['prediction'].min())} to {number(table['prediction'].max())}"
        for name, table in tables.items()
    )


def _rows_of(table: pd.DataFrame, column: str) -> pd.DataFrame:
    return table[table["column"] == column]


def _named(variants: list[Variant]) -> list[tuple[str, pd.DataFrame]]:
    return [(variant.model, read_parquet(variant.predictions)) for variant in variants]


def _scores(metrics: Mapping[str, Any], family: Family) -> str:
    return ", ".join(f"{family.metrics[name]} {number(metrics[name])}" for name in family.headline_metrics)


def _gains(results: Results, target: str, name: str) -> comparison.Gains:
    verdict = results.verdicts[target]
    baseline_losses, losses = (results.variants[target, model].fold_losses for model in (verdict.baseline, name))
    challenger = verdict.challengers[name]
    scale = float(baseline_losses.mean()) or 1.0
    folds = ((baseline_losses - losses) / scale).to_numpy()
    low, high = challenger.relative_gain_interval
    return comparison.Gains(name, _numbers(results)[name], folds, challenger.relative_gain, low, high)


def _numbers(results: Results) -> dict[str, int]:
    """Return the number of each model, which decides its color."""
    return {name: number for number, name in enumerate(results.config.models)}


def _loss_name(results: Results, target: str) -> str:
    return results.family_of(target).loss_title
