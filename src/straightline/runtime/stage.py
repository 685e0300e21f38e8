"""The process of one stage: it waits its turn, is timed, and leaves nothing half written."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from straightline.errors import UserError, told
from straightline.runtime.folders import RESULT_FOLDERS, TIMINGS
from straightline.runtime.processes import clear, end_with_parent, interrupt_on_termination, turn


@contextmanager
def stage(name: str, **labels: str) -> Iterator[None]:
    """Run a process's one stage and end it: time it; turn what a user can mend into one line and exit status 1.

    It ends with DVC, and waits where another process still runs it. DVC deletes a stage's outputs before it runs; where
    the stage fails or is interrupted, those of the last success are put back from DVC's cache.
    """
    end_with_parent()
    interrupt_on_termination()
    title = " ".join([name, "/".join(labels.values())]).strip()
    try:
        with turn(Path(".straightline") / f"{title.replace(' ', '-').replace('/', '-')}.lock", title):
            clear(Path("."), RESULT_FOLDERS)
            with timed(Path("."), name, **labels):
                yield
    except UserError as error:
        _end(name, str(error), 1)
    except OSError as error:
        _end(name, told(error), 1)
    except KeyboardInterrupt:
        _end(name, "interrupted; nothing of it is kept, the last results are back", 130)
    except BaseException:
        _restore_outputs()
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # everything is on disk; TensorFlow would take two seconds to take itself down


def _end(name: str, message: str, status: int) -> NoReturn:
    _restore_outputs()
    print(f"{name}: {message}", file=sys.stderr)
    sys.exit(status)


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
