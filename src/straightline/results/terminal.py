"""The answer as `straightline show` prints it: as clear as the report's first screen, then the tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from straightline.comparison.verdict import Challenger, Verdict
from straightline.data import encoding
from straightline.results.files import Results, Variant
from straightline.results.sentences import division, headline, selected, ui_command

STYLES = {"yes": "bold green", "no": "bold red", "undecided": "bold yellow"}
WIDTH = 120  # without a terminal
WIDE = 10_000  # of a terminal that is not there, so that a table shows what it would like to be
NARROW = 20  # cells, for which there is no gauge
LEAST = -0.5  # gains below it are at the edge of a gauge


class Gauge:
    """The gain of each challenger with its interval, in a line each as wide as the terminal, against the margin."""

    def __init__(self, verdict: Verdict) -> None:
        self._margin = verdict.margin
        self._challengers = verdict.challengers

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a line a challenger, and one that says what its signs are."""
        names = max(map(len, [*self._challengers, "loss saved"]))
        cells = min(options.max_width, WIDTH) - names - 3
        if cells < NARROW:
            return
        for name, found in self._challengers.items():
            yield Text(f"{name:>{names}}  {self._line(found, cells)}", no_wrap=True)
        told = f"│ 0  ░ less than the margin of {100 * self._margin:.3g} %  ◆ mean  ━ interval"
        yield Text(f"{'loss saved':>{names}}  {told}", style="dim")

    def _line(self, found: Challenger, cells: int) -> str:
        low, high = self._ends()
        gain, interval = found.relative_gain, found.relative_gain_interval

        def place(value: float) -> int:
            return round((min(max(value, low), high) - low) / (high - low) * (cells - 1))

        start, end = (edge if value is None else value for value, edge in zip(interval, (low, high), strict=True))
        spans = [("░", 1 - 1 / (1 - self._margin), self._margin), ("│", 0.0, 0.0), ("━", start, end), ("◆", gain, gain)]
        line = ["·"] * cells
        for sign, first, last in spans:
            line[place(first) : place(last) + 1] = [sign] * (place(last) + 1 - place(first))
        return "".join(line)

    def _ends(self) -> tuple[float, float]:
        found = [(one.relative_gain, *one.relative_gain_interval) for one in self._challengers.values()]
        known = [value for values in found for value in values if value is not None]
        return max(min(-2 * self._margin, *known), LEAST), max(2 * self._margin, *known)


class FittingTable:
    """Rows of named cells, the first column of words; columns of `less` are left out, in that order, until it fits."""

    def __init__(self, title: str, rows: Sequence[Mapping[str, str]], less: Sequence[str]) -> None:
        self._title, self._rows, self._less = title, rows, less

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, with what it lacks in a caption."""
        for count in range(len(self._less) + 1):
            table = self._table(self._less[:count])
            if console.measure(table, options=options.update(max_width=WIDE)).maximum <= options.max_width:
                break
        yield table

    def _table(self, left_out: Sequence[str]) -> Table:
        caption = f"not shown, for want of width: {', '.join(left_out)}" if left_out else None
        table = Table(title=self._title, title_justify="left", caption=caption, caption_justify="left")
        names = [name for name in self._rows[0] if name not in left_out]
        for place, name in enumerate(names):
            table.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in self._rows:
            table.add_row(*(Text(row[name]) for name in names))
        return table


def printed(results: Results) -> RenderableType:
    """Return the answers, their gauges and tables, and where to look on."""
    parts: list[RenderableType] = [Text(f"Warning: {warning}", style="yellow") for warning in results.schema.warnings]
    if sentence := division(results.schema.split):
        parts.append(Text(sentence))
    for target, verdict in results.verdicts.items():
        column = results.schema.targets[target].column
        parts += [Text(headline(verdict, column), style=STYLES[verdict.answer]), Text(verdict.advice)]
        parts += [Padding(Gauge(verdict), (1, 0)), _models(results, target)]
        parts += map(Text, selected(verdict))
        if verdict.ladder:
            parts.append(Text(verdict.ladder.advice))
        for variant in results.of_target(target):
            if variant.coefficients is not None:
                parts += [_coefficients(variant), *map(Text, [*_references(results), *_notes(variant)])]
        parts.append(Text())
    return Group(*parts, *map(Text, _places(results)))


def show(results: Results) -> None:
    """Print the answers to stdout."""
    write(printed(results))


def write(shown: RenderableType) -> None:
    """Print to stdout; without a terminal the tables keep their full width."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(shown)


def _places(results: Results) -> list[str]:
    report = results.root / "reports/index.html"
    places = [f"Report:    {report if report.exists() else 'not there yet; run dvc repro'}"]
    if any((results.root / name).exists() for name in ("dvc.yaml", "mlflow.db")):
        places.append(f"MLflow UI: {ui_command(results.root)}")
    return places


def _models(results: Results, target: str) -> RenderableType:
    verdict, family = results.verdicts[target], results.family_of(target)
    interval = f"{200 * verdict.confidence - 100:.4g} % interval"
    rows = []
    for variant in results.of_target(target):
        weights, held_out = variant.weights, variant.metrics.get("loss")
        rows.append(
            {
                "model": variant.model,
                "cross-validated": f"{verdict.losses[variant.model]:.5g}",
                interval: "{:.5g} to {:.5g}".format(*verdict.loss_intervals[variant.model]),
                "held-out": _number(held_out),
                "epochs": str(weights["epochs"]),
                "parameters": str(weights["parameters"]),
                "fold fits": str(verdict.fits[variant.model]),
            }
        )
    baseline = results.of_target(target)[0].metrics.get("baseline", {}).get("loss")
    mean = {"model": family.baseline_name, "cross-validated": _number(verdict.mean_loss)}
    rows.append(dict.fromkeys(rows[0], "-") | mean | {"held-out": _number(baseline)})
    title = f"{target}: {family.loss_title}"
    return FittingTable(title, rows, [interval, "fold fits", "parameters", "epochs"])


def _coefficients(variant: Variant) -> RenderableType:
    coefficients = variant.coefficients
    assert coefficients is not None
    kind = "classical" if variant.certificate is None else variant.certificate.standard_errors
    errors = "std error" if kind == "classical" else f"std error ({kind})"
    rows = [
        {
            "term": str(row.term),
            "estimate": _number(row.estimate),
            errors: _number(row.std_error),
            "95 % interval": "-" if _number(row.ci_low) == "-" else f"{_number(row.ci_low)} to {_number(row.ci_high)}",
            "gradient descent": _number(row.trained),
        }
        for row in coefficients.itertuples()
    ]
    return FittingTable(f"{variant.target}: weights of {variant.model}", rows, ["gradient descent", errors])


def _references(results: Results) -> list[str]:
    levels = encoding.references(results.schema.encoding)
    return [f"Reference levels, which the others are compared with: {', '.join(levels)}."] if levels else []


def _notes(variant: Variant) -> list[str]:
    if (certificate := variant.certificate) is None:
        return []
    return [f"Note: {message}." for message in [*certificate.messages, *certificate.fold_messages]]


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.5g}"
