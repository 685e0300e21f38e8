"""Stage `track`: publish the results to MLflow. If the store fails, the results still count."""

from pathlib import Path

from straightline.errors import UserError
from straightline.runtime.artifacts import write_text
from straightline.runtime.stage import stage
from straightline.runtime.terminal import say
from straightline.tracking.identity import is_published, pipeline_hash


def run(root: Path) -> None:
    """Publish and write published.txt, the identity of the results, below `root`."""
    identity = pipeline_hash(root)
    if is_published(root):
        say("track: already in MLflow")
    else:
        from straightline.results.files import load_results
        from straightline.tracking import publication

        try:
            say(publication.publish(load_results(root)))
        except UserError as error:
            # The comparison is complete; only its copy in MLflow is missing.
            say(f"track: not published: {error}")
    write_text(root / "published.txt", identity + "\n")


if __name__ == "__main__":
    with stage("track"):
        run(Path("."))
