"""The reference of the command line, from the commands themselves."""

from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.core import MARKUP_MODE_KEY

from straightline.__main__ import app

NAME = "straightline"


def markdown() -> str:
    """Return a section for each command, in the order of `straightline --help`: arguments, options and their help."""
    group: Any = typer.main.get_command(app)
    context = group.make_context(NAME, [], resilient_parsing=True)
    context.obj = {MARKUP_MODE_KEY: "rich"}  # Then Typer escapes what would be HTML, such as <name>.
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    rows = [f"| [`{NAME} {name}`](#{NAME}-{name}) | {_summary(command)} |" for name, command in commands.items()]
    table = ["| command | what it does |", "|---|---|", *rows, ""]
    return "\n".join([*table, *(_section(command, context, name) for name, command in commands.items())])


def _summary(command: Any) -> str:
    return " ".join(command.help.partition("\n\n")[0].split())


def _section(command: Any, context: typer.Context, name: str) -> str:
    section = get_docs_for_click(obj=command, ctx=context, indent=1, name=name, call_prefix=NAME)
    return section.replace("```console\n$ ", "```text\n")  # The usage is a pattern, and not a line to be typed.
