"""A folder that lasts as long as the objects that use it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class OwnFolder:
    """A new temporary folder at `path`, which is removed when nothing refers to this object any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="straightline-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
