"""Errors that a user can fix, and the report of any other exception, which is a defect."""

import errno
import os
import platform
import sys
import tempfile
import traceback
from importlib.metadata import version
from importlib.util import find_spec

REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "free some space",
    errno.EROFS: "make it writable",
    errno.EACCES: "make it readable and writable",
    errno.EPERM: "make it readable and writable",
    errno.EISDIR: "name a file instead",
    errno.ENOTDIR: "name a folder instead",
    errno.ENAMETOOLONG: "choose a shorter name",
}


# Packages that only an extra brings, by the name that is imported.
EXTRAS = {
    **dict.fromkeys(("hydra", "keras", "omegaconf", "tensorflow"), "tensorflow"),
    **dict.fromkeys(
        ("configobj", "dvc", "flask", "mlflow", "optuna", "platformdirs", "starlette", "uvicorn"), "pipeline"
    ),
    "formulaic": "formula",
    "ray": "ray",
}


class UserError(Exception):
    """An error that a user can fix. Its message is one line: what was expected, what came, where, and what to do.

    Line breaks, which may come from a value in a table, become spaces.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


def is_users(error: BaseException) -> bool:
    """Return whether a user can fix an error."""
    if isinstance(error, ModuleNotFoundError):
        return _top(error) in EXTRAS
    return isinstance(error, UserError) or (isinstance(error, OSError) and error.errno in REMEDIES)


def message(error: BaseException) -> str:
    """Return one line on an error: what a user can do, or where the report of a defect was written."""
    if isinstance(error, OSError) and error.errno in REMEDIES:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{(error.strerror or str(error)).lower()}; {REMEDIES[error.errno]}, then run it again"
    if isinstance(error, ModuleNotFoundError) and _top(error) in EXTRAS:
        return f"{_top(error)} is not installed; pip install 'straightline[{EXTRAS[_top(error)]}]'"
    if is_users(error):
        return str(error)
    text = " ".join(f"{type(error).__name__}: {error}".rstrip(": ").split())[:200]
    try:
        return f"{text}; this is a defect of straightline, please report it together with {_report(error)}"
    except OSError:
        return f"{text}; this is a defect of straightline, please report it; no file could be written about it"


def require(package: str) -> None:
    """Raise ModuleNotFoundError, which `message` explains, unless `package` is installed. It is not imported."""
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)


def _top(error: ModuleNotFoundError) -> str:
    """Return the name of the package that is missing, without what is inside it."""
    return (error.name or "").partition(".")[0]


def _report(error: BaseException) -> str:
    handle, path = tempfile.mkstemp(prefix="straightline-error-", suffix=".txt")  # Only this user can read it.
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"straightline {version('straightline')}, Python {platform.python_version()}, {sys.platform}\n")
        file.write(f"{' '.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}")
    return path
