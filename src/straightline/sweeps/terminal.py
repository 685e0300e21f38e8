"""The output of a sweep on the terminal: its progress, its best configs, and the verdict on the winner."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from straightline.results.sentences import gain_words
from straightline.runtime.console import SafeConsole
from straightline.runtime.steps import step
from straightline.runtime.terminal import say
from straightline.sweeps.winner import Winner

SHOWN = 10  # most configs in the printed table


def winner_lines(winner: Winner, model: str) -> list[str]:
    """Return sentences on the winner, the network `model`: its verdict, advice, and its loss on held-out rows."""
    gain = gain_words(winner.relative_gain, winner.relative_gain_interval, winner.confidence, winner.margin)
    lines = [
        f"On fresh folds {model} {gain}: {winner.finding.replace('_', ' ')}. {winner.words[0].upper()}"
        f"{winner.words[1:]}.",
        winner.advice,
    ]
    if winner.held_out:
        losses = ", ".join(f"{name} {loss:.5g}" for name, loss in winner.held_out.items())
        lines.append(f"Loss on held-out rows, which took no part in the selection: {losses}.")
    return lines


@contextmanager
def shown(trials: int) -> Iterator[tuple[Any, Any]]:
    """Show a progress bar with the best loss so far.

    Yields two callbacks: one for the rows of new results, and one for messages on progress (`trainer.OnProgress`). If
    the output is not a terminal, a line is printed for each batch of results, and now and then between them.
    """
    console = SafeConsole()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("configs  best loss {task.fields[best]}  {task.fields[now]}"),
        TimeElapsedColumn(),
    )
    best = float("inf")
    bar_of_configs = Progress(*columns, console=console, disable=not console.is_terminal)
    with bar_of_configs as bar, step("sweep", is_shown=not console.is_terminal) as reached:
        task = bar.add_task("sweep", total=trials, best="-", now="compiling")

        def advance(outcomes: Sequence[Mapping[str, Any]]) -> None:
            nonlocal best
            best = min([best, *(outcome["loss"] for outcome in outcomes if outcome["loss"] is not None)])
            bar.update(task, advance=len(outcomes), best=f"{best:.5g}", now="")
            if outcomes and not console.is_terminal:
                say(f"sweep: {bar.tasks[task].completed:,.0f} of {trials:,} configs, best loss {best:.5g}")

        def on_progress(message: str) -> None:
            bar.update(task, now=message)
            reached(f"{bar.tasks[task].completed:,.0f} of {trials:,} configs, {message}")

        yield advance, on_progress


def show(table: pd.DataFrame) -> None:
    """Print the best rows of the ranked `table`, and the most frequent reason why configs failed."""
    console = SafeConsole()
    console = console if console.is_terminal else SafeConsole(width=120)
    keys = [name for name in table.columns if "." in name]
    best = Table("rank", *(key.removeprefix("models.") for key in keys), "loss", "between folds")
    for row in table.head(SHOWN).to_dict("records"):
        losses = [row["loss"], row["between_folds"]]
        cells = [f"{row[key]:.4g}" if isinstance(row[key], float) else str(row[key]) for key in keys]
        best.add_row(
            str(row["rank"]), *map(Text, cells), *("-" if pd.isna(value) else f"{value:.5g}" for value in losses)
        )
    console.print(best)
    failed = int(table["loss"].isna().sum())
    if failed:
        reasons = table["reason"].dropna().value_counts()
        console.print(Text(f"{failed:,} of {len(table):,} configs failed, mostly: {reasons.index[0]}"))
