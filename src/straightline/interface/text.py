"""The results as text, as the command line prints them."""

from __future__ import annotations

import io

from straightline.results import terminal
from straightline.results.files import Results
from straightline.runtime.console import SafeConsole


def as_text(results: Results) -> str:
    """Return the answers with their tables, without colors."""
    # In a notebook rich would also show what it captures, as an empty output of the cell.
    console = SafeConsole(
        file=io.StringIO(), width=terminal.WIDTH, highlight=False, color_system=None, force_jupyter=False
    )
    with console.capture() as captured:
        console.print(terminal.printed(results, places=False))
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
