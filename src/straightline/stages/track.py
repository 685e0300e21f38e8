"""Stage `track`: publish the results to MLflow; results are kept whatever becomes of the store."""

from pathlib import Path

from straightline.artifacts import write_text
from straightline.errors import UserError
from straightline.identity import is_published, pipeline_hash
from straightline.stages import stage


def run(root: Path) -> None:
    """Publish and write published.txt, the identity of the results, below `root`."""
    identity = pipeline_hash(root)
    if is_published(root):
        print("track: already in MLflow")
    else:
        from straightline import tracking
        from straightline.results import load_results

        try:
            print(tracking.publish(load_results(root)))
        except UserError as error:
            # The comparison is finished and stands; only its copy in MLflow is missing.
            print(f"track: not published: {error}")
    write_text(root / "published.txt", identity + "\n")


if __name__ == "__main__":
    with stage("track"):
        run(Path("."))
