"""`straightline track`: publish the pipeline's results to MLflow."""

from pathlib import Path

from straightline.results.files import load_results
from straightline.runtime.terminal import say
from straightline.tracking import identity


def run(root: Path) -> None:
    """Publish the results below `root` unless MLflow has them. Raises UserError if the store cannot be used."""
    if identity.is_published(root):
        say("track: already in MLflow")
        return
    from straightline.tracking import publication

    say(publication.publish(load_results(root)))
