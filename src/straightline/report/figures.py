"""The pictures of the answer, of training and of coefficients, with captions and texts for screen readers."""

from dataclasses import dataclass

import pandas as pd

from straightline.formatting import number, percent
from straightline.report.pictures import canvas, comparison
from straightline.report.pictures.canvas import WIDTH, Panel
from straightline.report.tables import classes_of, learning_table
from straightline.results.files import Results, Variant

TERMS = 25  # A picture shows at most this many terms of a regression; the table has all.
FEWEST_TERMS = 8  # With several classes it shows fewer, but at least so many.


@dataclass(frozen=True)
class Figure:
    """A picture: the `name` of its file without the ending, the `<svg>` element, the `alt` text and the caption.

    `width` is that of the picture in inches.
    """

    name: str
    svg: str
    alt: str
    caption: str
    width: float = WIDTH

    @property
    def is_large(self) -> bool:
        """Whether it needs the whole width of a page."""
        return self.width > 1.15 * WIDTH


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
        caption=f"Each dot is a fold ({verdict.counted_folds}, the same for all models). The diamond is "
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

    With several classes, it shows the commonest, and fewer terms. Return None if no estimate is known.
    """
    table = variant.coefficients
    assert table is not None
    slopes = table[(table["term"] != "Intercept") & table["estimate"].notna()]
    selection, classes, most, height = "", None, TERMS, 0.28
    if "class" in slopes:
        classes = classes_of(results, variant.target)
        shown = [classes.names[place] for place in classes.shown if place]  # The first class is the reference.
        selection = _selection(len(shown), slopes["class"].nunique(), "classes are the commonest")
        slopes = slopes[slopes["class"].isin(shown)]
        most, height = max(2 * TERMS // len(shown), FEWEST_TERMS), 0.12 + 0.13 * len(shown)
    if not len(slopes):
        return None
    kept = _largest(slopes, most)
    terms = kept["term"].nunique()
    selection += _selection(terms, slopes["term"].nunique(), "terms have the largest statistics")
    unit = results.family_of(variant.target).coefficient_unit(results.schema.targets[variant.target])
    panel = comparison.coefficients(standardized(kept), "effect of a standard deviation", classes)
    return Figure(
        name=f"coefficients-{variant.target}-{variant.model}",
        svg=canvas.svg(panel, WIDTH, 1.0 + height * max(terms, 3)),
        alt=f"Effects and 95 % intervals of {terms} terms of {variant.model}, from the estimates in the table.",
        caption=f"Change in {unit} if a term rises by its standard deviation, with 95 % intervals.{selection}",
    )


def _selection(shown: int, count: int, words: str) -> str:
    return f" These {shown} of {count} {words}." if shown < count else ""


def _largest(slopes: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the rows of `most` terms, those with the largest statistics of any class."""
    sizes = slopes["statistic"].abs().groupby(slopes["term"], sort=False).max()
    largest = sizes.sort_values(ascending=False, kind="stable", na_position="last").index[:most]
    return slopes[slopes["term"].isin(largest)]


def standardized(table: pd.DataFrame) -> pd.DataFrame:
    """Return coefficients, with the estimates and the ends of their intervals per standard deviation of the term."""
    columns = ["estimate", "ci_low", "ci_high"]
    return table.assign(**{name: table[name] * table["scale"] for name in columns})


def _gains(results: Results, target: str, name: str) -> comparison.Gains:
    verdict = results.verdicts[target]
    baseline_losses, losses = (results.variants[target, model].fold_losses for model in (verdict.baseline, name))
    challenger = verdict.challengers[name]
    scale = float(baseline_losses.mean()) or 1.0
    folds = ((baseline_losses - losses) / scale).to_numpy()
    low, high = challenger.relative_gain_interval
    return comparison.Gains(name, numbers(results)[name], folds, challenger.relative_gain, low, high)


def numbers(results: Results) -> dict[str, int]:
    """Return the number of each model, which decides its color."""
    return {name: number for number, name in enumerate(results.config.models)}


def _loss_name(results: Results, target: str) -> str:
    return results.family_of(target).loss_title
