"""The one kind of error that a user can mend; everything else is a defect and keeps its traceback."""

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
    """One line that names what was expected, what came, where, and what to do."""


def told(error: OSError) -> str:
    """Return one line on what the system refused, and what to do. Raises `error` where a user can do nothing."""
    if error.errno not in REMEDIES:
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{(error.strerror or str(error)).lower()}; {REMEDIES[error.errno]}, then run it again"
