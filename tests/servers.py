"""A server process for tests: started on a free port, waited for, ended."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(folder: Path, *command: str, health: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `python -m straightline COMMAND --port PORT` in `folder` and yield its address once `health` answers."""
    port = free_port()
    words = [sys.executable, "-m", *command, "--port", str(port)]
    log = folder / "server.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            words,
            cwd=folder,
            env=os.environ | (environment or {}),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}{health}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer: {log.read_text()[-2000:]}")
