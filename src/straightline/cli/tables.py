"""Commands about a user's table: run, init, predict."""

from pathlib import Path
from typing import Annotated, Any

import typer

from straightline.cli import arguments

app = typer.Typer()
REQUIRED: Any = ...


@app.command()
def run(
    file: arguments.File,
    overrides: arguments.Overrides = None,
    target: arguments.Targets = REQUIRED,
    features: arguments.Features = "",
    exclude: arguments.Exclude = "",
    categorical: arguments.Categorical = "",
    groups: arguments.Groups = None,
    split: arguments.Split = "chance",
    time: arguments.Time = None,
    family: arguments.Family = "auto",
    held_out: arguments.HeldOut = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
    out: Annotated[Path | None, typer.Option(help="A folder; by default straightline-<the file's name>.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Publish to MLflow too.")] = False,
) -> None:
    """Answer the question for your own table, in an output folder."""
    from straightline.commands import run as command
    from straightline.config.table_options import TableOptions, column_names

    options = TableOptions(
        file=file,
        targets=target,
        features=column_names(features),
        exclude=column_names(exclude),
        categorical=column_names(categorical),
        groups=groups,
        split=split,
        time=time,
        delimiter=delimiter,
        decimal=decimal,
        family=family,
        held_out=held_out,
        overrides=overrides or [],
    )
    command.run(options, out or Path(f"straightline-{file.stem}"), track)


@app.command()
def init(
    file: arguments.File,
    folder: Annotated[Path, typer.Argument(help="The new project.", show_default=False)],
    target: arguments.Targets = REQUIRED,
    features: arguments.Features = "",
    exclude: arguments.Exclude = "",
    categorical: arguments.Categorical = "",
    groups: arguments.Groups = None,
    split: arguments.Split = "chance",
    time: arguments.Time = None,
    family: arguments.Family = "auto",
    held_out: arguments.HeldOut = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
) -> None:
    """Make a DVC and git project for your own table."""
    from straightline.commands import init as command
    from straightline.config.table_options import TableOptions, column_names

    options = TableOptions(
        file=file,
        targets=target,
        features=column_names(features),
        exclude=column_names(exclude),
        categorical=column_names(categorical),
        groups=groups,
        split=split,
        time=time,
        delimiter=delimiter,
        decimal=decimal,
        family=family,
        held_out=held_out,
        overrides=[],
    )
    command.run(options, folder)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A model.keras, or its folder runs/<target>/<model>.")],
    rows: Annotated[Path, typer.Argument(help="A CSV or Parquet file with the columns that it was trained on.")],
    out: Annotated[Path | None, typer.Option(help="A CSV file; by default the predictions are printed.")] = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
) -> None:
    """Predict new rows with a saved model."""
    from straightline.commands import predict as command

    command.run(model, rows, out, delimiter, decimal)
