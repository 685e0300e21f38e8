"""The command line: parse and dispatch, nothing else. Every import waits for the command that needs it."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from straightline.errors import UserError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
ROOT = Path(".")


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
def ui(port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Open MLflow's UI on this machine's loopback address."""
    from straightline import identity

    identity.run_ui(ROOT, port)


def main() -> None:
    """Run the command line; a UserError becomes one line and exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"straightline: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
