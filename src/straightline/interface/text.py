"""The results as text, as the command line prints them."""

from __future__ import annotations

import io

from straightline.results import terminal
from straightline.results.files import Results
from straightline.runtime.console import SafeConsole


def as_text(results: Results) -> str:
    """Return the answers with their tables, without colors."""
    file = io.StringIO()
    # In Jupyter, rich would show what it prints as an output of its own.
    console = SafeConsole(file=file, width=terminal.WIDTH, highlight=False, color_system=None, force_jupyter=False)
    console.print(terminal.printed(results, places=False))
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().splitlines())
