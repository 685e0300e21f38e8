"""Run `straightline run` in another process, where XLA's flags can still be set, and pass on what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from straightline.errors import UserError
from straightline.interface.progress import Shown

PREFIX = "straightline: "


def run(arguments: Sequence[str], on_line: Shown) -> None:
    """Run the command line with `arguments`. Raises UserError with the line that it ends with if it fails.

    An interrupt, such as Ctrl-C or a notebook's stop button, ends the other process too.
    """
    command = [sys.executable, "-m", "straightline", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", env=environment
    ) as process:
        last = ""
        try:
            for line in process.stdout or ():
                last = line.rstrip() or last
                on_line(last)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise UserError(last.removeprefix(PREFIX) or f"the run ended with status {process.returncode}")
