"""Stage `track`: publish the results to MLflow, and print the answer. If the store fails, the results still count."""

import os
from pathlib import Path

from straightline.errors import UserError
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import write_text
from straightline.runtime.stage import stage
from straightline.runtime.terminal import say
from straightline.tracking.identity import is_published, pipeline_hash

PRINTED = "STRAIGHTLINE_ANSWER"  # "later": whoever started DVC prints the answer, as `make` does


def run(root: Path) -> None:
    """Publish, write published.txt, the identity of the results, below `root`, and print the answer.

    This is the last stage, so that `dvc repro` and `dvc exp run` end with the answer.
    """
    results = load_results(root)
    identity = pipeline_hash(root)
    if is_published(root):
        say("track: already in MLflow")
    else:
        from straightline.tracking import publication

        try:
            say(publication.publish(results))
        except UserError as error:
            # The comparison is complete; only its copy in MLflow is missing.
            say(f"track: not published: {error}")
    write_text(root / "published.txt", identity + "\n")
    if os.environ.get(PRINTED) != "later":
        terminal.show(results)


if __name__ == "__main__":
    with stage("track"):
        run(Path("."))
