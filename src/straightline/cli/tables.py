"""Commands about a user's table: run, init, predict."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from straightline.cli import arguments

if TYPE_CHECKING:
    from straightline.config.table_options import TableOptions

app = typer.Typer()


@app.command()
@arguments.takes_table
def run(
    table: "TableOptions",
    overrides: arguments.Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results. Default: straightline-<name of the file>.")
    ] = None,
    effort: arguments.Effort = None,
    track: Annotated[bool, typer.Option("--track", help="Publish the results to MLflow too.")] = False,
) -> None:
    """Find out whether a straight line is enough for your own table, and write the results to a folder."""
    from straightline.commands import run as command

    folder = out or Path(f"straightline-{table.name}")
    efforts = [f"effort={effort}"] if effort else []
    command.run(replace(table, overrides=[*efforts, *(overrides or [])]), folder, track)


@app.command()
@arguments.takes_table
def init(
    table: "TableOptions",
    folder: Annotated[Path, typer.Argument(help="Folder of the project. It must be new or empty.", show_default=False)],
    effort: arguments.Effort = None,
) -> None:
    """Create a project with DVC and git for your own table."""
    from straightline.commands import init as command

    command.run(table, folder, effort)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The saved model: model.keras, or its folder runs/<target>/<model>.")],
    rows: Annotated[
        Path, typer.Argument(help="File with the columns that the model was trained on, of any kind that run takes.")
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write. Default: print the predictions.")] = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
    sheet: arguments.Sheet = None,
) -> None:
    """Predict the target for new rows with a saved model."""
    from straightline.commands import predict as command

    command.run(model, rows, out, delimiter, decimal, sheet)
