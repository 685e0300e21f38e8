"""Commands about MLflow: track, ui, serve."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
ROOT = Path(".")


@app.command()
def track() -> None:
    """Publish the pipeline's results to MLflow, unless they are there."""
    from straightline.commands import track as command

    command.run(ROOT)


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
