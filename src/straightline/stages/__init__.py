"""The pipeline, a module a stage: read files, call the core, write files; `python -m straightline.stages.data`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from straightline.errors import UserError

TIMINGS = Path(".straightline/timings.jsonl")


@contextmanager
def stage(name: str, **labels: str) -> Iterator[None]:
    """Run a process's one stage and end it: time it; turn a UserError into one line on stderr and exit status 1.

    DVC deletes a stage's outputs before it runs. Where the stage fails, those of the last success are put back from
    DVC's cache.
    """
    try:
        with timed(Path("."), name, **labels):
            yield
    except UserError as error:
        _restore_outputs()
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except BaseException:
        _restore_outputs()
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # everything is on disk; TensorFlow would take two seconds to take itself down


@contextmanager
def timed(root: Path, name: str, **labels: str) -> Iterator[None]:
    """Print how long a stage took, where it ends well, and note it in .straightline/timings.jsonl below `root`."""
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    print(f"{' '.join([name, '/'.join(labels.values())]).strip()}: {seconds:.1f} s")
    path = root / TIMINGS
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": name, **labels, "seconds": round(seconds, 3)}) + "\n")


def _restore_outputs() -> None:
    name = os.environ.get("DVC_STAGE")
    if name:
        subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", name], check=False, capture_output=True)
