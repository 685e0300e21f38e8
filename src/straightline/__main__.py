"""The command line: parse and dispatch, nothing else. Every import waits for the command that needs it."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from straightline.commands import arguments
from straightline.errors import UserError, told
from straightline.processes import interrupt_on_termination

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
ROOT = Path(".")
INTERRUPTED = 130  # the exit status that typer gives to ctrl-C


class Task(StrEnum):
    """What is predicted."""

    continuous = "continuous"
    binary = "binary"


class Noise(StrEnum):
    """How a continuous target varies about its truth."""

    normal = "normal"
    heavy = "heavy"


ROWS, TASKS, NOISES = [100, 300, 1000], list(Task), list(Noise)
REQUIRED: Any = ...
TRUTHS = ["noise", "linear", "2", "3", "5", "10"]


@app.callback()
def straightline() -> None:
    """Is a straight line enough for your table, or do you need a neural network?"""


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False) -> None:
    """Print the answers that the files now hold."""
    from straightline import summary
    from straightline.results import load_results

    results = load_results(ROOT)
    if as_json:
        print(json.dumps(summary.as_dict(results), indent=1, allow_nan=False))
    else:
        summary.show(results)


@app.command()
def compose(check: Annotated[bool, typer.Option("--check", help="Only say whether it is up to date.")] = False) -> None:
    """Compose conf/ into params.yaml, as the pipeline's first stage does."""
    from straightline.stages import compose as stage

    if check:
        stage.check(ROOT)
        print("params.yaml is what conf/ composes to")
    else:
        stage.run(ROOT)


@app.command()
def track() -> None:
    """Publish the pipeline's results to MLflow, unless they are there."""
    from straightline import identity

    if identity.is_published(ROOT):
        print("track: already in MLflow")
        return
    from straightline import tracking
    from straightline.results import load_results

    print(tracking.publish(load_results(ROOT)))


@app.command()
def repair() -> None:
    """Remove a dvc.lock that DVC had half written when it was killed."""
    from straightline.commands import repair as command

    command.run(ROOT)


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
    task: arguments.Task = "auto",
    held_out: arguments.HeldOut = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
    out: Annotated[Path | None, typer.Option(help="A folder; by default straightline-<the file's name>.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Publish to MLflow too.")] = False,
) -> None:
    """Answer the question for your own table, in an output folder."""
    from straightline.commands import run as command

    options = command.Options(
        file=file,
        targets=target,
        features=command.names(features),
        exclude=command.names(exclude),
        categorical=command.names(categorical),
        groups=groups,
        split=split,
        time=time,
        delimiter=delimiter,
        decimal=decimal,
        task=task,
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
    task: arguments.Task = "auto",
    held_out: arguments.HeldOut = None,
    delimiter: arguments.Delimiter = None,
    decimal: arguments.Decimal = None,
) -> None:
    """Make a DVC and git project for your own table."""
    from straightline.commands import init as command
    from straightline.commands.run import Options, names

    options = Options(
        file=file,
        targets=target,
        features=names(features),
        exclude=names(exclude),
        categorical=names(categorical),
        groups=groups,
        split=split,
        time=time,
        delimiter=delimiter,
        decimal=decimal,
        task=task,
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


@app.command()
def sweep(
    overrides: Annotated[
        list[str],
        typer.Argument(
            help="What varies, in Hydra's words, such as models.neural.hidden=[8],[16,16].", show_default=False
        ),
    ],
    table: Annotated[Path | None, typer.Option(help="A CSV or Parquet file, instead of the pipeline's rows.")] = None,
    target: Annotated[
        str | None, typer.Option(help="The column to predict, or the pipeline's target of that name.")
    ] = None,
    sampler: Annotated[
        Literal["grid", "random", "qmc", "tpe"] | None,
        typer.Option(help="How points are chosen; by default a grid of all, or tpe where there are intervals."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Configs to try; by default all, or 100.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="A database such as sqlite:///sweep.db, in which a killed sweep goes on.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sampler.")] = 0,
    name: Annotated[str, typer.Option(help="What the files in sweeps/ are called.")] = "sweep",
    track: Annotated[bool, typer.Option(help="Publish to MLflow.")] = True,
    adopt: Annotated[bool, typer.Option("--adopt", help="Write the winner's settings into conf/.")] = False,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="What trains: this process, or a Ray cluster (docs/scaling.md).")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster, HOST:PORT; by default the one here, or a new one.")
    ] = None,
) -> None:
    """Try many configs of a network at once, rank them, and judge the best on fresh folds."""
    from straightline.commands import sweep as command

    how = overrides, table, target, sampler, trials, storage, seed, name, track, adopt, engine, address
    command.run(ROOT, command.Options(*how))


@app.command()
def calibrate(
    rows: Annotated[list[int], typer.Option(min=1, help="Rows of a table; may be given again.")] = ROWS,
    columns: Annotated[int, typer.Option(min=1, max=1000, help="Columns of a table.")] = 3,
    task: Annotated[list[Task], typer.Option(help="What is predicted; may be given again.")] = TASKS,
    noise: Annotated[
        list[Noise], typer.Option(help="Of a continuous target; heavy is Student's t with 3 degrees of freedom.")
    ] = NOISES,
    truth: Annotated[
        list[str],
        typer.Option(
            help="noise, linear, or how many margins of loss a curve costs the best line; may be given again."
        ),
    ] = TRUTHS,
    simulations: Annotated[int, typer.Option(min=1, max=1_000_000, help="Tables of each kind.")] = 1000,
    model: Annotated[str, typer.Option(help="The network, by its name in params.yaml.")] = "neural",
    like: Annotated[Path | None, typer.Option(help="A table whose columns, line and noise to take instead.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of that table to predict.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path, typer.Option(help="A folder for calibration.csv and calibration.png.")] = Path("calibration"),
) -> None:
    """Measure how often the verdict errs, on tables whose truth is known."""
    from straightline.commands import calibrate as command

    options = command.Options(rows, columns, task, noise, truth, simulations, model, like, target, seed)
    command.run(ROOT, options, out)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="The address; others than this machine's want a password.")] = "127.0.0.1",
) -> None:
    """Open MLflow's UI on this machine's loopback address."""
    from straightline.commands import ui as command

    command.run(ROOT, port, host)


@app.command()
def serve(
    target: Annotated[str | None, typer.Option(help="The column to predict, or its name in the pipeline.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5001,
) -> None:
    """Serve the champion of a target over HTTP, on this machine's loopback address."""
    from straightline.commands import serve as command

    command.run(ROOT, target, port)


def main() -> None:
    """Run the command line; a UserError, an interrupt and a full disk become one line and an exit status."""
    interrupt_on_termination()
    try:
        app()
    except UserError as error:
        print(f"straightline: {error}", file=sys.stderr)
        _exit(2)
    except OSError as error:
        print(f"straightline: {told(error)}", file=sys.stderr)
        _exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            print("straightline: interrupted", file=sys.stderr)
        _exit(end.code)


def _exit(code: str | int | None) -> NoReturn:
    """End the process at once after TensorFlow: all is on disk, and it would take two seconds to take itself down."""
    if "tensorflow" in sys.modules and isinstance(code, int):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
