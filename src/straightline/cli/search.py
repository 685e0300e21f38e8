"""Commands that train hundreds of networks: sweep, calibrate."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from straightline.cli import arguments
from straightline.cli.arguments import known_family
from straightline.errors import UserError
from straightline.families import AUTO, FAMILIES
from straightline.runtime.steps import step

app = typer.Typer()
ROOT = Path(".")


class Noise(StrEnum):
    """How a gaussian target varies about its true mean: normally, or with heavy tails."""

    normal = "normal"
    heavy = "heavy"


ROWS, NOISES = [100, 300, 1000], list(Noise)
TRUTHS = ["noise", "linear", "2", "3", "5", "10"]


@app.command()
def sweep(
    overrides: Annotated[
        list[str],
        typer.Argument(
            help="Settings to vary, in Hydra's syntax. Example: models.neural.hidden=[8],[16,16] tries two networks. "
            "A setting with a single value applies to all of them.",
            show_default=False,
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table to use instead of the pipeline's rows, as run takes it. --family to --weights-are describe it; "
            "other options of run are settings, such as data.groups=shop."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Column to predict, required with --table. Without --table: a target of params.yaml."),
    ] = None,
    family: arguments.Family = AUTO,
    reference: arguments.Reference = None,
    exposure: arguments.Exposure = None,
    offset: arguments.Offset = None,
    weights: arguments.Weights = None,
    weights_are: arguments.WeightsAre = None,
    sampler: Annotated[
        Literal["grid", "random", "qmc", "tpe"] | None,
        typer.Option(
            help="How to choose the configs to try. Default: grid, or tpe if a setting varies in an interval."
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="Number of configs to try. Default: the whole grid, or 100 with another sampler."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database that stores the trials, such as sqlite:///sweep.db. An interrupted sweep continues from it."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the sampler.")] = 0,
    name: Annotated[str, typer.Option(help="Name of the files to write in sweeps/.")] = "sweep",
    track: Annotated[bool, typer.Option(help="Publish the configs to MLflow.")] = True,
    adopt: Annotated[bool, typer.Option("--adopt", help="Write the winner's settings into conf/.")] = False,
    engine: arguments.Engine = "local",
    address: arguments.Address = None,
) -> None:
    """Try many configs of a network, rank them, and compare the best one with the straight line on new folds."""
    with step("sweep: importing libraries"):
        from straightline.commands import sweep as command
        from straightline.config.table_options import TableOptions

    of_target = _given(reference=reference, exposure=exposure, offset=offset)
    of_rows = _given(weights=weights, weights_are=weights_are)
    named = [*(["family"] if family != AUTO else []), *of_target, *of_rows]
    if table is None and named:
        raise UserError(f"--{named[0].replace('_', '-')}: add --table; the pipeline's rows have theirs in params.yaml")
    own = None if table is None else TableOptions(table, [], family, of_target, of_rows)
    options = command.Options(
        overrides, own, target, sampler, trials, storage, seed, name, track, adopt, engine, address
    )
    command.run(ROOT, options)


@app.command()
def calibrate(
    rows: Annotated[
        list[int], typer.Option(min=1, help="Number of rows of a simulated table. Repeat the option for several.")
    ] = ROWS,
    columns: Annotated[
        str,
        typer.Option(metavar="INTEGER,...", help="Number of columns of a simulated table. Commas separate several."),
    ] = "3",
    family: Annotated[
        list[str] | None,
        typer.Option(
            parser=known_family,
            metavar="|".join(FAMILIES),
            help="Type of the target: bernoulli for two classes, multinomial for three, gaussian for numbers, poisson "
            "for counts, gamma for positive amounts. Repeat the option for several. Default: all of them; with --like, "
            "the one that suits the target.",
        ),
    ] = None,
    noise: Annotated[
        list[Noise],
        typer.Option(
            help="Noise of a gaussian target: normal, or heavy (Student's t with 3 degrees of freedom). Other targets "
            "have that of their family. Repeat the option for several."
        ),
    ] = NOISES,
    truth: Annotated[
        list[str],
        typer.Option(
            help="What the target truly depends on: noise (nothing), linear (a straight line), or a curve. "
            "A curve is given as a number: by how many margins its loss is below that of the best straight line. "
            "Repeat the option for several."
        ),
    ] = TRUTHS,
    simulations: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Number of tables for each combination of these options.")
    ] = 1000,
    model: Annotated[str, typer.Option(help="Name of the network in params.yaml.")] = "neural",
    like: Annotated[
        Path | None,
        typer.Option(help="Table to imitate: take its columns, best straight line and noise."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column of the --like file to predict.")] = None,
    effort: Annotated[
        Literal["single", "quick", "standard", "thorough"] | None,
        typer.Option(help="How much training the network gets (straightline run --help). Default: as in params.yaml."),
    ] = None,
    growing: Annotated[
        int | None,
        typer.Option(
            min=1_000,
            help="Let networks learn from growing samples, as in tables of more than 250,000 rows; the first one has "
            "so many rows. Default: from all rows.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the simulated tables.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for calibration.csv and calibration.png.")] = Path("calibration"),
) -> None:
    """Measure how often the verdict is wrong, on simulated tables for which the truth is known."""
    with step("calibrate: importing libraries"):
        from straightline.commands import calibrate as command

    options = command.Options(
        rows, _counts(columns), family or [], noise, truth, simulations, model, like, target, seed, effort, growing
    )
    command.run(ROOT, options, out)


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}


def _counts(text: str) -> list[int]:
    """Return the numbers of columns in `text`. Raises BadParameter if one of them is not a number from 1 to 1,000."""
    words = [word.strip() for word in text.split(",")]
    if wrong := [word for word in words if not word.isdecimal() or not 1 <= int(word) <= 1000]:
        raise typer.BadParameter(f"--columns: expected numbers from 1 to 1,000 and commas, got {wrong[0]!r}")
    return [int(word) for word in words]
