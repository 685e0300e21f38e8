"""Run the process of one stage: it waits for its turn, measures its time, and leaves no half-written file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from straightline.errors import message
from straightline.runtime.folders import RESULT_FOLDERS, TIMINGS
from straightline.runtime.leftovers import clear
from straightline.runtime.processes import end_with_parent, interrupt_on_termination, turn
from straightline.runtime.steps import step
from straightline.runtime.terminal import say


@contextmanager
def stage(name: str, **labels: str) -> Iterator[None]:
    """Run the only stage of a process, measure its time and end the process.

    An error that a user can fix is printed in one line and gives exit status 1. The process ends if DVC ends, and
    waits while another process runs the same stage. DVC deletes the outputs of a stage before the stage runs. If the
    stage fails or is interrupted, the outputs of its last success are restored from DVC's cache.
    """
    end_with_parent()
    interrupt_on_termination()
    title = " ".join([name, "/".join(labels.values())]).strip()
    try:
        with turn(Path(".straightline") / f"{title.replace(' ', '-').replace('/', '-')}.lock", title):
            clear(Path("."), RESULT_FOLDERS)
            with timed(Path("."), name, **labels):
                yield
    except KeyboardInterrupt:
        _end(name, "interrupted; the previous results are restored", 130)
    except Exception as error:
        _end(name, message(error), 1)
    except BaseException:
        _restore_outputs()
        raise
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # All files are on disk. A normal exit would wait two seconds for TensorFlow.


def _end(name: str, message: str, status: int) -> NoReturn:
    _restore_outputs()
    say(f"{name}: {message}", is_error=True)
    sys.exit(status)


@contextmanager
def timed(root: Path, name: str, **labels: str) -> Iterator[None]:
    """After a successful stage, print its time in seconds and append it to .straightline/timings.jsonl in `root`.

    A stage that takes long is mentioned meanwhile.
    """
    title = " ".join([name, "/".join(labels.values())]).strip()
    start = time.perf_counter()
    with step(title):
        yield
    seconds = time.perf_counter() - start
    say(f"{title}: {seconds:.1f} s")
    path = root / TIMINGS
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"stage": name, **labels, "seconds": round(seconds, 3)}) + "\n")


def _restore_outputs() -> None:
    name = os.environ.get("DVC_STAGE")
    if name:
        subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", name], check=False, capture_output=True)
