"""What commands about a user's table have in common on the command line."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from straightline.families import AUTO, FAMILIES


def known_family(name: str, *others: str) -> str:
    """Return the name of a family, or one of `others`. Raises BadParameter for what is neither."""
    known = (*others, *FAMILIES)
    if name not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}, got {name!r}")
    return name


File = Annotated[Path, typer.Argument(help="A CSV or Parquet file.", show_default=False)]
Targets = Annotated[list[str], typer.Option("--target", help="The column to predict; may be given again.")]
Features = Annotated[str, typer.Option(help="Columns to predict from, with commas; by default all others.")]
Exclude = Annotated[str, typer.Option(help="Columns to leave out, with commas.")]
Categorical = Annotated[str, typer.Option(help="Columns of numbers that are categories, with commas.")]
Groups = Annotated[str | None, typer.Option(help="A column whose rows stay together: a patient, a shop.")]
Split = Annotated[
    Literal["chance", "time"], typer.Option(help="With time, earlier rows train and later ones are scored.")
]
Time = Annotated[str | None, typer.Option(help="The column that orders rows; by default they are in order.")]
Family = Annotated[
    str,
    typer.Option(
        parser=lambda name: known_family(name, AUTO),
        metavar="|".join((AUTO, *FAMILIES)),
        help="What kind of column the target is; auto finds it.",
    ),
]
HeldOut = Annotated[float | None, typer.Option(min=0, max=0.99, help="Share of the rows to score the final models on.")]
Delimiter = Annotated[str | None, typer.Option(help="What separates values in a CSV file; by default it is found.")]
Decimal = Annotated[str | None, typer.Option(help="The decimal mark in a CSV file; by default it is found.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings in Hydra's words, such as models.neural.hidden=[64,64].")
]
