"""The arguments and options that commands about a user's table share."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from straightline.families import AUTO, FAMILIES

if TYPE_CHECKING:
    from straightline.config.table_options import TableOptions


def known_family(name: str, *others: str) -> str:
    """Return `name` if it is a family or in `others`, else raise BadParameter."""
    known = (*others, *FAMILIES)
    if name not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}, got {name!r}")
    return name


File = Annotated[
    Path,
    typer.Argument(
        help="The table: CSV, JSON, Parquet, Feather or a spreadsheet (.xlsx), also in .gz or .zip. - is standard "
        "input.",
        show_default=False,
    ),
]
Targets = Annotated[
    list[str], typer.Option("--target", help="Column to predict. Repeat the option to predict several columns.")
]
Features = Annotated[
    str | None, typer.Option(help="Columns to predict from, separated by commas. Default: all other columns.")
]
Exclude = Annotated[str | None, typer.Option(help="Columns to leave out, separated by commas.")]
Categorical = Annotated[
    str | None,
    typer.Option(help="Columns of numbers that stand for categories, separated by commas. Example: postal codes."),
]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Column that groups rows, such as a patient or a shop. Rows of one group are never divided between "
        "training and scoring."
    ),
]
Split = Annotated[
    Literal["chance", "time"] | None,
    typer.Option(
        help="How to divide the rows: by chance, or by time, so that models train on earlier rows and are scored on "
        "later ones. Default: chance."
    ),
]
Time = Annotated[
    str | None, typer.Option(help="Column that orders the rows for --split time. Default: the order in the file.")
]
Family = Annotated[
    str,
    typer.Option(
        parser=lambda name: known_family(name, AUTO),
        metavar="|".join((AUTO, *FAMILIES)),
        help="Type of the target: bernoulli for two classes, multinomial for more, gaussian for numbers, poisson for "
        "counts, gamma for positive amounts such as costs. auto chooses one of the first three.",
    ),
]
Reference = Annotated[
    str | None,
    typer.Option(
        help="Class that the others are compared with. Default: the first of two classes, the most frequent of more."
    ),
]
Exposure = Annotated[
    str | None,
    typer.Option(
        help="Column of the time, area or number that a count or an amount belongs to (--family poisson or gamma). "
        "Predictions are proportional to it."
    ),
]
Offset = Annotated[
    str | None,
    typer.Option(help="Column that is added to the logarithm of the mean (--family poisson or gamma)."),
]
Weights = Annotated[
    str | None, typer.Option(help="Column of weights: how many rows a row stands for, or the weights of a survey.")
]
WeightsAre = Annotated[
    Literal["frequency", "sampling"] | None,
    typer.Option(
        "--weights-are",
        help="frequency: a row counts as so many equal rows. sampling: the row stands for so many others that were not "
        "asked; standard errors are those of a survey. Default: frequency if all weights are whole numbers.",
    ),
]
HeldOut = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.99,
        help="Share of the rows to hold out for scoring the final models. Default: data.held_out (0.2).",
    ),
]
Delimiter = Annotated[
    str | None, typer.Option(help="Character that separates the values in a CSV file. Default: detected.")
]
Decimal = Annotated[str | None, typer.Option(help="Decimal mark in a CSV file: a point or a comma. Default: detected.")]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of a spreadsheet, by its name. Default: the only one with a table.")
]
Missing = Annotated[
    str | None,
    typer.Option(help="Marks of a gap besides the usual ones (NA, ?, -, ...), separated by commas. Example: -999."),
]
DayFirst = Annotated[
    bool | None,
    typer.Option(
        "--dayfirst/--no-dayfirst", help="Whether 3/4/2026 is the third of April. Default: the column shows it."
    ),
]
Dates = Annotated[
    str | None,
    typer.Option(
        help="What of a date is a feature, separated by commas: days (since 1970), year, month, weekday. Default: days."
    ),
]
Effort = Annotated[
    Literal["single", "quick", "standard", "thorough"] | None,
    typer.Option(
        help="How much training the network gets. standard: settings are chosen in each fold, and five networks are "
        "averaged (two for a large table). quick: five networks of one choice of settings. thorough: more settings to "
        "choose from, and repeated folds. single: one network of one choice of settings. Default: standard."
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        help="Share of the straight line's loss below which a difference does not matter, such as 0.1. Default: "
        "verdict.margin."
    ),
]
Confidence = Annotated[
    float | None,
    typer.Option(help="Probability that a finding needs, such as 0.9. Default: verdict.confidence."),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="Where to compute: local is this process, ray is a Ray cluster (docs/how-to/scaling.md)."),
]
Address = Annotated[
    str | None,
    typer.Option(
        help="Address of the Ray cluster, HOST:PORT. Default: a cluster that runs on this machine, or a new one."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings to change, in Hydra's syntax, such as models.neural.hidden=[64,64]."),
]


def takes_table(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command` with the parameters of `_table_options` in place of its first parameter, a TableOptions.

    Typer reads the options of a command from its signature, so the signatures of both functions are joined.
    """
    shared = signature(_table_options).parameters
    others = list(signature(command).parameters.values())[1:]

    def with_table(**values: Any) -> None:
        table = _table_options(**{name: values.pop(name) for name in shared})
        command(table, **values)

    parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in (*shared.values(), *others)]
    with_table.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    with_table.__name__, with_table.__doc__ = command.__name__, command.__doc__
    return with_table


def _table_options(
    file: File,
    target: Targets,
    features: Features = None,
    exclude: Exclude = None,
    categorical: Categorical = None,
    groups: Groups = None,
    split: Split = None,
    time: Time = None,
    held_out: HeldOut = None,
    delimiter: Delimiter = None,
    decimal: Decimal = None,
    sheet: Sheet = None,
    missing: Missing = None,
    dayfirst: DayFirst = None,
    dates: Dates = None,
    family: Family = AUTO,
    reference: Reference = None,
    exposure: Exposure = None,
    offset: Offset = None,
    weights: Weights = None,
    weights_are: WeightsAre = None,
) -> "TableOptions":
    from straightline.config.table_options import TableOptions, column_names

    columns = {"features": features, "exclude": exclude, "categorical": categorical, "missing": missing, "dates": dates}
    values = {"groups": groups, "split": split, "time": time, "held_out": held_out}
    values |= {"delimiter": delimiter, "decimal": decimal, "sheet": sheet, "dayfirst": dayfirst}
    values |= {"weights": weights, "weights_are": weights_are}
    of_target = {"reference": reference, "exposure": exposure, "offset": offset}
    data = {name: column_names(text) for name, text in columns.items() if text is not None} | {
        name: value for name, value in values.items() if value is not None
    }
    return TableOptions(file, target, family, {name: text for name, text in of_target.items() if text}, data)
