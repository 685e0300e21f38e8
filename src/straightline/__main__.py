"""The entry point of the command line. A command imports what it needs only when it runs."""

import io
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import typer

from straightline.cli import answers, revisions, search, tables, tracking
from straightline.errors import is_users, message
from straightline.runtime.processes import interrupt_on_termination

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
for group in (tables, answers, search, tracking, revisions):
    app.add_typer(group.app)
ROOT = Path(".")
INTERRUPTED = 130  # Typer exits with this status after Ctrl-C.


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        say(f"straightline {version('straightline')}")
        raise typer.Exit


@app.callback()
def straightline(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version, and end.")
    ] = False,
) -> None:
    """Is a straight line enough for your table, or do you need a neural network?"""


@app.command()
def compose(
    check: Annotated[bool, typer.Option("--check", help="Only check whether params.yaml is up to date.")] = False,
) -> None:
    """Compose conf/ into params.yaml, as the first stage of the pipeline does."""
    from straightline.stages import compose as stage

    if check:
        stage.check(ROOT)
        say("params.yaml is up to date with conf/")
    else:
        stage.run(ROOT)


@app.command()
def repair() -> None:
    """Move aside what DVC left half written when it was killed, such as dvc.lock."""
    from straightline.commands import repair as command

    command.run(ROOT)


def main() -> None:
    """Run the command line.

    Any error ends it with one line on stderr and an exit status: 2 if a user can fix it, 1 for a defect.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # A terminal of ASCII, or a name that is no UTF-8, ends no command.
            stream.reconfigure(errors="backslashreplace")
    interrupt_on_termination()
    try:
        app()
    except BrokenPipeError:  # The reader of the output, such as `head`, has seen enough.
        os._exit(1)
    except Exception as error:
        say(f"straightline: {message(error)}", is_error=True)
        _exit(2 if is_users(error) else 1)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            say("straightline: interrupted", is_error=True)
        _exit(end.code)


def _exit(code: str | int | None) -> NoReturn:
    """Exit with `code`, at once if TensorFlow is loaded: its clean-up takes two seconds, and all files are written."""
    if "tensorflow" in sys.modules and isinstance(code, int):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
