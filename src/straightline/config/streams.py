"""Tables that are no file on a disk: standard input, pipes, and addresses."""

import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from straightline.errors import UserError

STDIN = "standard input"
PIPE = "pipe"
ADDRESS = re.compile(r"(?:^|/)(https?|ftps?|s3|gs|hdfs|file):/+(.+)", re.DOTALL)
STDIN_PATHS = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def address(path: Path | str) -> str | None:
    """Return the address that `path` stands for, such as s3://bucket/b.csv, or None. A path has lost a slash of it."""
    match = ADDRESS.search(str(path))
    if match is None:
        return None
    return f"{match[1]}://{'/' if match[1] == 'file' else ''}{match[2]}"


def stream_name(path: Path) -> str | None:
    """Return what to call the stream that `path` stands for, or None if it is a file, a folder, or nothing."""
    if str(path) == "-":
        return STDIN
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)):
        return None
    return STDIN if str(path) in STDIN_PATHS else PIPE


@contextmanager
def stream(path: Path) -> Iterator[BinaryIO]:
    """Yield the bytes of standard input or of a pipe. Raises UserError if somebody would have to type them."""
    if stream_name(path) == STDIN:
        if sys.stdin.isatty():
            raise UserError(f"{path}: standard input is a terminal; pipe a table into it, or give the path of a file")
        yield sys.stdin.buffer
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def received(path: Path, folder: Path) -> Iterator[Path]:
    """Yield `path`, or, if it is a stream, a file in `folder` with its bytes, which is removed at the end."""
    name = stream_name(path)
    if name is None:
        yield path
        return
    place = folder / name
    with stream(path) as source, place.open("xb") as file:
        shutil.copyfileobj(source, file)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)
