"""A folder that lasts as long as the objects that use it, and results in such a folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

from straightline.results.files import Results


class OwnFolder:
    """A new temporary folder at `path`, which is removed when nothing refers to this object any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="straightline-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class OwnResults(Results):
    """Results that are read when they are used. Their folder, if it is a temporary one, lasts as long as they do."""

    owner: OwnFolder | None = None
