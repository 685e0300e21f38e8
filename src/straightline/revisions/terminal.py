"""The output of `straightline diff`: the differences between two revisions, in sentences and tables."""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from straightline.formatting import percent
from straightline.results import terminal
from straightline.revisions import sentences
from straightline.revisions.changes import Answer, Change, Difference
from straightline.revisions.lockfile import ABSENT


def _words(value: Any) -> str:
    return str(value).replace("_", " ")


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


ROWS: dict[str, Callable[[Any], str]] = {
    "answer": _words,
    "finding": _words,
    "challenger": str,
    "margin": _share,
    "confidence": _share,
}


def show(difference: Difference) -> None:
    """Print the differences to stdout."""
    terminal.write(printed(difference))


def printed(difference: Difference) -> RenderableType:
    """Return the differences for a terminal: the answers, the metrics, and the reasons."""
    parts: list[RenderableType] = [Text(sentences.headline(difference), style="bold")]
    parts += [Text(sentences.answer_line(answer)) for answer in difference.answers]
    parts += [Text(line) for line in sentences.stale(difference)]
    parts += [_verdicts(difference, answer) for answer in difference.answers if answer.status in ("changed", "numbers")]
    if difference.metrics:
        parts.append(_metrics(difference))
    parts += [Text(line) for line in sentences.why(difference)]
    parts += _reasons(difference)
    return Group(*parts)


def _table(difference: Difference, title: str, *names: str, change: bool = False) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for name in names:
        table.add_column(name)
    sides = [difference.before.revision, difference.after.revision]
    for name in [*sides, "change"] if change else sides:
        table.add_column(Text(name), justify="right", overflow="fold")
    return table


def _verdicts(difference: Difference, answer: Answer) -> Table:
    before, after = answer.before or {}, answer.after or {}
    table = _table(difference, f"{answer.target}: the verdict", "", change=True)
    for key, formatted in ROWS.items():
        table.add_row(key, *(formatted(side[key]) if key in side else "-" for side in (before, after)), "")
    gains = Change("relative gain (interval)", *(side.get("relative_gain", ABSENT) for side in (before, after)))
    table.add_row(gains.name, *map(_gain, (before, after)), _difference(gains))
    mean = Change("predicting without columns", *(side.get("mean_loss", ABSENT) for side in (before, after)))
    for loss in (*answer.losses, mean):
        _add(table, Change(f"loss of {loss.name}", loss.before, loss.after))
    return table


def _gain(verdict: Mapping[str, Any]) -> str:
    if "relative_gain" not in verdict:
        return "-"
    interval = verdict.get("relative_gain_interval")
    gain = percent(verdict["relative_gain"])
    return f"{gain} ({percent(interval[0])} to {percent(interval[1])})" if interval else gain


def _metrics(difference: Difference) -> Table:
    table = _table(difference, "Metrics on held-out rows", "file", "metric", change=True)
    for path, changes in difference.metrics.items():
        for change in changes:
            _add(table, change, path.removeprefix("metrics/").removesuffix(".json"))
        table.add_section()
    return table


def _add(table: Table, change: Change, *first: str) -> None:
    table.add_row(*first, change.name, _number(change.before), _number(change.after), _difference(change))


def _reasons(difference: Difference) -> list[Table]:
    kinds = (
        ("Params", difference.params, sentences.value),
        ("Data", difference.data, _digest),
        ("Packages", difference.packages, sentences.value),
    )
    tables = [_listed(difference, title, changes, formatted) for title, changes, formatted in kinds if changes]
    return [*tables, _code(difference)] if difference.code else tables


def _listed(difference: Difference, title: str, changes: Sequence[Change], formatted: Callable[[Any], str]) -> Table:
    table = _table(difference, title, "")
    for change in changes:
        table.add_row(Text(change.name), Text(formatted(change.before)), Text(formatted(change.after)))
    return table


def _code(difference: Difference) -> Table:
    table = Table("module", "stages", title="Code", title_justify="left")
    for matters in (True, False):
        for module in difference.code:
            if module.matters is matters:
                table.add_row(module.path, ", ".join(module.stages))
        table.add_section()
    return table


def _digest(value: Any) -> str:
    return "-" if value is ABSENT else str(value)[:8]


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else sentences.value(value)


def _difference(change: Change) -> str:
    are_numbers = all(isinstance(side, Real) for side in (change.before, change.after))
    return f"{change.after - change.before:+.2g}" if are_numbers and change.after != change.before else ""
