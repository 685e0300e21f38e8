"""`straightline show`: print the answers that are in the files now."""

import json
from pathlib import Path

from straightline.results import json_output, terminal
from straightline.results.files import load_results


def run(root: Path, as_json: bool) -> None:
    """Print the answers below `root` as text or as JSON. Raises UserError if results are missing or unreadable."""
    results = load_results(root)
    if as_json:
        print(json.dumps(json_output.as_dict(results), indent=1, allow_nan=False))
    else:
        terminal.show(results)
