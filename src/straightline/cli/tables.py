"""Commands about a user's table: run, init, predict."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from straightline.cli import arguments
from straightline.runtime.steps import step

if TYPE_CHECKING:
    from straightline.config.table_options import TableOptions

app = typer.Typer()


@app.command()
@arguments.takes_table
def run(
    table: "TableOptions",
    overrides: arguments.Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results. Default: straightline-<name of the file>, with the names of the targets if "
            "that holds the answer to another question."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace the results in the folder, whatever question they answer.")
    ] = False,
    effort: arguments.Effort = None,
    margin: arguments.Margin = None,
    confidence: arguments.Confidence = None,
    track: Annotated[bool, typer.Option("--track", help="Publish the results to MLflow too.")] = False,
    engine: arguments.Engine = "local",
    address: arguments.Address = None,
) -> None:
    """Find out whether a straight line is enough for your own table, and write the results to a folder."""
    with step(f"run: {table.file}: importing libraries"):
        from straightline.commands import run as command
        from straightline.large.engines import named_engine

    named = {"effort": effort, "verdict.margin": margin, "verdict.confidence": confidence}
    settings = [f"{name}={value}" for name, value in named.items() if value is not None]
    options = dataclasses.replace(table, overrides=[*settings, *(overrides or [])])
    with named_engine(engine, address):
        command.run(options, out, replace, track)


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
    model: Annotated[
        Path,
        typer.Argument(
            help="Folder of a project or of `straightline run`, whose verdict advises a model, or a folder "
            "runs/<target>/<model> in it.",
            show_default=False,
        ),
    ],
    rows: Annotated[
        Path,
        typer.Argument(
            help="File with the columns that the model was trained on, of any kind that run takes.", show_default=False
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="CSV file to write. Default: print the predictions.")] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Target to predict: its column or its name in params.yaml. Default: the only one."),
    ] = None,
    identifier: Annotated[
        str | None, typer.Option("--id", help="Column of the new rows to write beside the predictions, as it stands.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            metavar="PROBABILITY",
            help="Write the ends of prediction intervals too, for a target of numbers. Example: 0.9.",
        ),
    ] = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
    sheet: arguments.Sheet = None,
) -> None:
    """Predict the target for new rows with the model that the verdict advises, or with another saved model."""
    from straightline.commands import predict as command

    command.run(model, rows, out, command.Options(target, identifier, interval, delimiter, decimal, sheet))
