"""Errors that a user can fix. Any other exception is a defect and keeps its traceback."""

import errno

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it readable and writable",
    errno.EPERM: "make it readable and writable",
}


class UserError(Exception):
    """An error that a user can fix. Its message is one line: what was expected, what came, where, and what to do.

    Line breaks, which may come from a value in a table, become spaces.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


def os_error_message(error: OSError) -> str:
    """Return one line that says what the system refused and what to do. Raises `error` if a user cannot fix it."""
    if error.errno not in REMEDIES:
        raise error
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{(error.strerror or str(error)).lower()}; {REMEDIES[error.errno]}, then run it again"
