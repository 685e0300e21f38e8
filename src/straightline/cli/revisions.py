"""Commands about revisions: diff."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
ROOT = Path(".")


@app.command()
def diff(
    rev: Annotated[str, typer.Argument(help="A revision of git, or a DVC experiment's name.")] = "HEAD",
    other: Annotated[
        str, typer.Argument(help="What it is compared with; by default the files as they are now.")
    ] = "workspace",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Tell which answers changed between two revisions, and why: params, data, code, packages."""
    from straightline.commands import diff as command

    command.run(ROOT, rev, other, as_json)
