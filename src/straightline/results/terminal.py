"""The output of `straightline show`: the answer of each target first, then its tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from straightline.comparison.verdict import Challenger, Verdict
from straightline.data.schema import references
from straightline.families import Family
from straightline.results.files import Results, Variant
from straightline.results.sentences import (
    choice_sentences,
    division_sentence,
    estimate_sentence,
    growth_sentences,
    headline,
    inference_sentences,
    offset_sentences,
    reference_note,
    ridge_sentences,
    selection_sentences,
    ui_command,
    weights_sentence,
)
from straightline.runtime.console import SafeConsole

STYLES = {"yes": "bold green", "no": "bold red", "undecided": "bold yellow", "neither": "bold yellow"}
WIDTH = 120  # columns of the output if it is not a terminal
UNLIMITED = 10_000  # columns: wider than any table, to measure its natural width
NARROW = 20  # cells; a narrower gauge is not printed
TERMS = 30  # most coefficients in the printed table
TEXT_WIDTH = 40  # cells; longer names of classes and terms take several lines
INTERVAL = "95 % interval"  # of a coefficient
SCORES = ("rmse", "r2", "d2", "accuracy", "roc_auc")  # scores on held-out rows in the printed table
LEAST = -0.5  # A gain below this is drawn at the left edge of a gauge.


class Gauge:
    """A text chart with one line for each challenger: its gain, the interval of the gain, and the margin."""

    def __init__(self, verdict: Verdict) -> None:
        self._margin = verdict.margin
        self._challengers = verdict.challengers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield one line for each challenger, then the legend."""
        names = max(map(len, [*self._challengers, "loss saved"]))
        cells = min(options.max_width, WIDTH) - names - 3
        if cells < NARROW:
            return
        for name, challenger in self._challengers.items():
            yield Text(f"{name:>{names}}  {self._line(challenger, cells)}", no_wrap=True)
        legend = f"│ 0  ░ less than the margin of {100 * self._margin:.3g} %  ◆ mean  ━ interval"
        yield Text(f"{'loss saved':>{names}}  {legend}", style="dim")

    def _line(self, challenger: Challenger, cells: int) -> str:
        low, high = self._ends()
        gain, interval = challenger.relative_gain, challenger.relative_gain_interval

        def place(value: float) -> int:
            return round((min(max(value, low), high) - low) / (high - low) * (cells - 1))

        start, end = (edge if value is None else value for value, edge in zip(interval, (low, high), strict=True))
        mean = "◆" if gain >= low else "◄"  # The mean is further left than the line reaches.
        spans = [
            ("░", 1 - 1 / (1 - self._margin), self._margin),
            ("│", 0.0, 0.0),
            ("━", start, end),
            (mean, gain, gain),
        ]
        line = ["·"] * cells
        for sign, first, last in spans:
            line[place(first) : place(last) + 1] = [sign] * (place(last) + 1 - place(first))
        return "".join(line)

    def _ends(self) -> tuple[float, float]:
        """Return the gains at the left and the right edge."""
        values = [
            value
            for challenger in self._challengers.values()
            for value in (challenger.relative_gain, *challenger.relative_gain_interval)
        ]
        known = [value for value in values if value is not None]
        return max(min(-2 * self._margin, *known), LEAST), max(2 * self._margin, *known)


class FittingTable:
    """A table that leaves out columns, in the order of `less`, until it fits the width of the terminal.

    The cells of a row are by column name. The columns `texts` have text, the others have numbers.
    """

    def __init__(
        self, title: str, rows: Sequence[Mapping[str, str]], less: Sequence[str], texts: Sequence[str]
    ) -> None:
        self._title, self._rows, self._less, self._texts = title, rows, less, texts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, with the names of missing columns in its caption."""
        for count in range(len(self._less) + 1):
            table = self._table(self._less[:count])
            if console.measure(table, options=options.update(max_width=UNLIMITED)).maximum <= options.max_width:
                break
        yield table

    def _table(self, left_out: Sequence[str]) -> Table:
        caption = f"not shown, because the terminal is too narrow: {', '.join(left_out)}" if left_out else None
        table = Table(title=self._title, title_justify="left", caption=caption, caption_justify="left")
        names = [name for name in self._rows[0] if name not in left_out]
        for name in names:
            if name in self._texts:
                table.add_column(name, overflow="fold", max_width=TEXT_WIDTH)
            else:
                table.add_column(name, justify="right", overflow="fold")
        for row in self._rows:
            table.add_row(*(Text(row[name]) for name in names))
        return table


def printed(results: Results, places: bool = True) -> RenderableType:
    """Return the answers, their gauges and tables, and with `places` those of the report and of MLflow's UI."""
    parts: list[RenderableType] = [Text(f"Warning: {warning}", style="yellow") for warning in results.schema.warnings]
    about_rows = [division_sentence(results.schema.split), weights_sentence(results.schema)]
    parts += [Text(sentence) for sentence in about_rows if sentence is not None]
    for target, verdict in results.verdicts.items():
        settings, family = results.schema.targets[target], results.family_of(target)
        answer = headline(verdict, settings.column, family.baseline_title(settings))
        parts += [Text(answer, style=STYLES[verdict.answer]), Text(verdict.advice)]
        parts += [Padding(Gauge(verdict), (1, 0)), _models(results, target)]
        parts += map(Text, offset_sentences(settings))
        variants = results.variants_of(target)
        parts += map(Text, [*ridge_sentences(variants), *selection_sentences(verdict), *choice_sentences(variants)])
        parts += map(Text, growth_sentences(variants))
        if verdict.reference:
            parts.append(Text(reference_note(verdict.reference)))
        if verdict.ladder:
            parts.append(Text(verdict.ladder.advice))
        for variant in results.variants_of(target):
            if variant.coefficients is not None:
                notes = [estimate_sentence(settings), *_references(results), *_notes(results, variant)]
                parts += [_coefficients(variant, family), *map(Text, notes)]
        parts.append(Text())
    return Group(*parts, *map(Text, _places(results) if places else []))


def show(results: Results) -> None:
    """Print the answers to stdout."""
    write(printed(results))


def write(output: RenderableType) -> None:
    """Print to stdout. If that is no terminal, the output is WIDTH columns wide."""
    wide_console().print(output)


def wide_console() -> Console:
    """Return a console on stdout. If that is no terminal, it is WIDTH columns wide."""
    console = SafeConsole(highlight=False)
    return console if console.is_terminal else SafeConsole(highlight=False, width=WIDTH)


def _places(results: Results) -> list[str]:
    report = results.root / "reports/index.html"
    places = [f"Report:    {report if report.exists() else 'does not exist yet; run dvc repro'}"]
    if any((results.root / name).exists() for name in ("dvc.yaml", "mlflow.db")):
        places.append(f"MLflow UI: {ui_command(results.root)}")
    return places


def _models(results: Results, target: str) -> RenderableType:
    verdict, family = results.verdicts[target], results.family_of(target)
    interval = f"{200 * verdict.confidence - 100:.4g} % interval"
    scores = {key: family.metrics[key] for key in family.headline_metrics if key in SCORES}
    rows = []
    for variant in results.variants_of(target):
        weights, held_out = variant.weights, variant.metrics.get("loss")
        rows.append(
            {
                "model": variant.model,
                "cross-validated": f"{verdict.losses[variant.model]:.5g}",
                interval: "{:.5g} to {:.5g}".format(*verdict.loss_intervals[variant.model]),
                "held-out": _number(held_out),
                "parameters": str(weights["parameters"]),
            }
            | {title: _number(variant.metrics.get(key)) for key, title in scores.items()}
        )
    mean = {
        "model": family.baseline_title(results.schema.targets[target]),
        "cross-validated": _number(verdict.mean_loss),
    }
    of_mean = results.variants_of(target)[0].metrics.get("baseline", {})
    mean |= {"held-out": _number(of_mean.get("loss"))}
    mean |= {title: _number(of_mean.get(key)) for key, title in scores.items()}
    rows.append(dict.fromkeys(rows[0], "-") | mean)
    if reference := verdict.reference:
        shown = {"model": f"{reference.model} *", "cross-validated": f"{reference.loss:.5g}"}
        shown[interval] = "{:.5g} to {:.5g}".format(*reference.loss_interval)
        rows.append(dict.fromkeys(rows[0], "-") | shown)
    title = f"{target}: {family.loss_title}"
    return FittingTable(title, rows, [interval, "parameters", *scores.values()], ["model"])


def _coefficients(variant: Variant, family: Family) -> RenderableType:
    coefficients = variant.coefficients
    assert coefficients is not None
    kind = "" if variant.certificate is None else variant.certificate.standard_errors
    errors = f"std error ({kind})" if kind == family.robust_errors else "std error"
    rows = [
        ({"class": str(row["class"])} if "class" in coefficients else {})
        | {"term": str(row["term"]), "estimate": _number(row["estimate"])}
        | ({"factor": _number(np.exp(row["estimate"]))} if family.has_factors else {})
        | {
            errors: _number(row["std_error"]),
            "p value": _number(row["p_value"], 2),
            INTERVAL: "-" if pd.isna(row["ci_low"]) else f"{_number(row['ci_low'])} to {_number(row['ci_high'])}",
            "gradient descent": _number(row["trained"]),
        }
        for row in _largest(coefficients).to_dict("records")
    ]
    title = f"{variant.target}: weights of {variant.model}"
    if len(coefficients) > TERMS:
        title += f", the {TERMS} of {len(coefficients):,} with the largest effects (the report has all)"
    less = [name for name in ("gradient descent", errors, "p value", "factor", INTERVAL) if name in rows[0]]
    return FittingTable(title, rows, less, ["class", "term"])


def _largest(coefficients: pd.DataFrame) -> pd.DataFrame:
    has_errors = coefficients["statistic"].notna().any()
    sizes = (coefficients["statistic"] if has_errors else coefficients["trained"] * coefficients["scale"]).abs()
    return coefficients.loc[sorted(sizes.sort_values(ascending=False, kind="stable").index[:TERMS])]


def _references(results: Results) -> list[str]:
    levels = references(results.schema.encoding)
    return [f"The other levels are compared with these reference levels: {', '.join(levels)}."] if levels else []


def _notes(results: Results, variant: Variant) -> list[str]:
    if (certificate := variant.certificate) is None:
        return []
    is_quasi = getattr(results.config.models[variant.model], "quasi", False)
    messages = [f"Note: {message}." for message in [*certificate.messages, *certificate.fold_messages]]
    return [*inference_sentences(certificate, results.family_of(variant.target), is_quasi), *messages]


def _number(value: Any, digits: int = 5) -> str:
    return "-" if pd.isna(value) else f"{value:.{digits}g}"
