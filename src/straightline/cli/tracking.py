"""Commands about MLflow: track, ui, serve."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
ROOT = Path(".")
Token = Annotated[
    bool,
    typer.Option(
        "--token", help="Answer only requests with a token: that of STRAIGHTLINE_TOKEN, or a new, printed one."
    ),
]


@app.command()
def track() -> None:
    """Publish the pipeline's results to MLflow, unless they are already there."""
    from straightline.commands import track as command

    command.run(ROOT)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5000,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. An address that other machines reach requires a password (docs/security.md)."
        ),
    ] = "127.0.0.1",
    token: Token = False,
) -> None:
    """Start MLflow's user interface for this project. By default only this machine can reach it."""
    from straightline.commands import ui as command

    command.run(ROOT, port, host, token)


@app.command()
def serve(
    target: Annotated[
        str | None,
        typer.Option(help="Target to predict: its column or its name in params.yaml. Default: the only target."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 5001,
    token: Token = False,
) -> None:
    """Serve the champion model of a target over HTTP. Only this machine can reach it."""
    from straightline.commands import serve as command

    command.run(ROOT, target, port, token)
