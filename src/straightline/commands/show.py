"""`straightline show`: print the answers that are in the files now."""

from pathlib import Path

from straightline.results import json_output, terminal
from straightline.results.files import load_results
from straightline.runtime.terminal import say


def run(root: Path, as_json: bool) -> None:
    """Print the answers below `root` as text or as JSON. Raises UserError if results are missing or unreadable."""
    results = load_results(root)
    if as_json:
        say(json_output.as_text(results))
    else:
        terminal.show(results)
