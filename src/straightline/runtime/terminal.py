"""Lines for people. Control characters, which names in a table may have, never reach a terminal as they are."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

# The C0 and C1 controls but for tab and line feed, and the characters that change the direction of writing.
_CODES = [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _CODES}
_silenced: list[bool] = []  # not empty while lines are not printed
_said = [monotonic()]  # the time of the last line


def escaped(text: str) -> str:
    """Return `text` with control characters as Python writes them in a string, such as `\\\\x1b`."""
    return text.translate(_ESCAPES)


@contextmanager
def silent() -> Iterator[None]:
    """Print no lines in the block: for Python code that calls this package, where nothing is printed unasked."""
    _silenced.append(True)
    try:
        yield
    finally:
        _silenced.pop()


def say(text: str, is_error: bool = False) -> None:
    """Print a line at once, to stdout or, for an error, to stderr."""
    _said[0] = monotonic()
    if _silenced:
        return
    # One write, so that lines of two processes do not run together.
    print(f"{escaped(text)}\n", end="", file=sys.stderr if is_error else sys.stdout, flush=True)


def said() -> float:
    """Return the time of the last line, or of the start of the process, as `time.monotonic` counts it."""
    return _said[0]
