"""A sweep on a terminal: its progress, its best configs, and the winner's verdict in words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from straightline.results.sentences import gain_words
from straightline.sweeps.winner import Winner

SHOWN = 10  # configs in the printed table


def winner_lines(winner: Winner, model: str) -> list[str]:
    """Return in sentences what the winner, the network `model`, is worth."""
    gain = gain_words(winner.relative_gain, winner.relative_gain_interval, winner.confidence, winner.margin)
    lines = [
        f"On fresh folds {model} {gain}: {winner.finding.replace('_', ' ')}. {winner.words[0].upper()}"
        f"{winner.words[1:]}.",
        winner.advice,
    ]
    if winner.held_out:
        losses = ", ".join(f"{name} {loss:.5g}" for name, loss in winner.held_out.items())
        lines.append(f"Loss on held-out rows, which nothing was chosen on: {losses}.")
    return lines


@contextmanager
def shown(trials: int) -> Iterator[tuple[Any, Any]]:
    """Show a bar with the best loss so far; yield what to tell of results, and of progress (`sweep.OnProgress`)."""
    console = Console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("configs  best loss {task.fields[best]}  {task.fields[now]}"),
        TimeElapsedColumn(),
    )
    best = float("inf")
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("sweep", total=trials, best="-", now="compiling")

        def advance(found: Sequence[Mapping[str, Any]]) -> None:
            nonlocal best
            best = min([best, *(one["loss"] for one in found if one["loss"] is not None)])
            bar.update(task, advance=len(found), best=f"{best:.5g}", now="")
            if found and not console.is_terminal:
                print(
                    f"sweep: {bar.tasks[task].completed:,.0f} of {trials:,} configs, best loss {best:.5g}", flush=True
                )

        def on_progress(now: str) -> None:
            bar.update(task, now=now)

        yield advance, on_progress


def show(table: pd.DataFrame) -> None:
    """Print the best of `table`, and why others failed."""
    console = Console()
    console = console if console.is_terminal else Console(width=120)
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
