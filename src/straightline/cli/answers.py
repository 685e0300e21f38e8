"""Commands about answers that are there: show, judge."""

from pathlib import Path
from typing import Annotated

import typer

from straightline.cli import arguments

app = typer.Typer()
Folder = Annotated[
    Path, typer.Argument(help="Folder with results: the output of `straightline run`, or a project. Default: this one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


@app.command()
def show(folder: Folder = Path("."), as_json: AsJson = False) -> None:
    """Print the answers of the last run in a folder."""
    from straightline.commands import show as command

    command.run(folder, as_json)


@app.command()
def judge(
    folder: Folder = Path("."),
    margin: arguments.Margin = None,
    confidence: arguments.Confidence = None,
    as_json: AsJson = False,
) -> None:
    """Judge the results in a folder at another margin or confidence, without training."""
    from straightline.commands import judge as command

    rules = {"margin": margin, "confidence": confidence}
    command.run(folder, {name: value for name, value in rules.items() if value is not None}, as_json)
