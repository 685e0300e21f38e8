"""The command about revisions: diff."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
ROOT = Path(".")


@app.command()
def diff(
    rev: Annotated[str, typer.Argument(help="A git revision, or the name of a DVC experiment.")] = "HEAD",
    other: Annotated[
        str, typer.Argument(help="The revision to compare it with. workspace stands for the files as they are now.")
    ] = "workspace",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show which answers changed between two revisions, and why: params, data, code or packages."""
    from straightline.commands import diff as command

    command.run(ROOT, rev, other, as_json)
