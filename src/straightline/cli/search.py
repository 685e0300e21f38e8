"""Commands that train hundreds of networks: sweep, calibrate."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from straightline.cli.arguments import known_family
from straightline.families import FAMILIES

app = typer.Typer()
ROOT = Path(".")


class Noise(StrEnum):
    """How a gaussian target varies about its truth."""

    normal = "normal"
    heavy = "heavy"


ROWS, FAMILY_NAMES, NOISES = [100, 300, 1000], list(FAMILIES), list(Noise)
TRUTHS = ["noise", "linear", "2", "3", "5", "10"]


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
    family: Annotated[
        list[str],
        typer.Option(parser=known_family, metavar="|".join(FAMILIES), help="What is predicted; may be given again."),
    ] = FAMILY_NAMES,
    noise: Annotated[
        list[Noise], typer.Option(help="Of a gaussian target; heavy is Student's t with 3 degrees of freedom.")
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

    options = command.Options(rows, columns, family, noise, truth, simulations, model, like, target, seed)
    command.run(ROOT, options, out)
