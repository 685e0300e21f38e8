"""What a table is read from: a file, a pipe, or bytes that were unpacked from either."""

import io
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil
import pyarrow as pa

from straightline.config.streams import address, stream, stream_name
from straightline.errors import UserError

CHUNK = 2**20  # Bytes that are read or checked at once.
COPIES = 3  # Reading and training hold about this number of copies of a table.


class AbsentFileError(UserError):
    """The error of a path at which there is no file."""


@dataclass(frozen=True)
class Content:
    """The bytes of a table: those of a file, or bytes in memory. `label` names them in messages."""

    label: str
    source: Path | bytes

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def open(self) -> BinaryIO:
        """Return a new reader of the bytes, at their start."""
        return io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb")

    def for_arrow(self) -> Path | pa.BufferReader:
        """Return what functions of PyArrow read the bytes from, without a copy."""
        return pa.BufferReader(self.source) if isinstance(self.source, bytes) else self.source

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        with self.open() as file:
            return file.read(size)

    def text(self) -> io.TextIOWrapper:
        """Return a new reader of the text, which is UTF-8, without a byte order mark."""
        return io.TextIOWrapper(self.open(), encoding="utf-8-sig", newline="")


def opened(path: Path, label: str | None = None) -> Content:
    """Return the content of the file or the stream `path`; `label` names it, by default its path.

    A stream is read into memory. Raises UserError if there is no file, if it is a folder or an address in the network,
    or if a stream has more bytes than memory holds.
    """
    if (name := stream_name(path)) is not None:
        with stream(path) as file:
            return Content(name, counted(file.read, name, "brings"))
    label = label or str(path)
    if path.is_file():
        return Content(label, path)
    if url := address(path):
        how = f"download it first: curl -LO {shlex.quote(url)}" if url.startswith(("http", "ftp")) else "copy it here"
        raise UserError(f"{url}: is an address, expected a file, since nothing is read from the network; {how}")
    if path.is_dir():
        raise UserError(f"{label}: is a folder; give the path of a file with a table, such as houses.csv")
    raise AbsentFileError(f"{label}: no such file; give the path of a file with a table, such as houses.csv")


def counted(read: Callable[[int], bytes], label: str, verb: str) -> bytes:
    """Return all bytes that `read(size)` gives. Raises UserError once they are more than a table may have."""
    most, content = most_bytes(), bytearray()
    while chunk := read(CHUNK):
        content += chunk
        if len(content) > most:
            raise UserError(
                f"{label}: {verb} more than {most / 1e9:,.1f} GB, too much for the memory that is free; take a part of "
                "the rows"
            )
    return bytes(content)


def most_bytes() -> int:
    """Return how many bytes a table in memory may have, by the memory that is free now."""
    return psutil.virtual_memory().available // COPIES
