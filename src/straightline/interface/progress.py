"""Show in a terminal or a notebook how far a run has come, from the lines that it prints."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

EPOCHS = re.compile(r"epoch (\d+) of at most (\d+)")


class Shown(Protocol):
    """Takes the lines of a run."""

    def __call__(self, line: str) -> None:
        """Show what a line says."""


@contextmanager
def shown(is_asked: bool) -> Iterator[Shown]:
    """Yield a function that shows the lines of a run; what it shows is gone at the end. Without `is_asked`, nothing."""
    if not is_asked:
        yield lambda line: None
    elif _is_notebook():
        yield from _in_notebook()
    else:
        yield from _in_terminal()


def share_done(line: str) -> float | None:
    """Return the share of the epochs that a line reports, or None if it reports none."""
    found = EPOCHS.search(line)
    return int(found[1]) / int(found[2]) if found else None


def _is_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def _in_notebook() -> Iterator[Shown]:
    from IPython import display as ipython

    as_html: Any = ipython.HTML  # IPython has no types for it.
    show: Any = ipython.display
    handle = show(as_html(_bar("starting", None)), display_id=True)
    try:
        yield lambda line: handle.update(as_html(_bar(line, share_done(line))))
    finally:
        handle.update(as_html(""))


def _bar(line: str, share: float | None) -> str:
    value = "" if share is None else f' value="{share:.3f}"'
    return f'<progress max="1"{value}></progress> <small>{html.escape(line)}</small>'


def _in_terminal() -> Iterator[Shown]:
    from rich.markup import escape

    from straightline.runtime.console import SafeConsole

    console = SafeConsole(stderr=True)
    if not console.is_terminal:
        yield lambda line: None
        return
    with console.status("starting") as status:
        yield lambda line: status.update(escape(line))
