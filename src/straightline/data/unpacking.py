"""Unpack a compressed table or the only table of a zip archive, into memory and never beyond what memory holds."""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO

import pyarrow as pa

from straightline.data.contents import Content, counted
from straightline.data.names import SHOWN, line_of
from straightline.errors import UserError

ZIP, EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
TEXTS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".json", ".jsonl", ".ndjson")
TABLES = (*TEXTS, ".parquet", ".pq", ".feather", ".arrow", ".xlsx", ".xlsm")
DEEPEST = 2  # A compressed file in an archive is unpacked, and nothing inside it.
UNKNOWN_SIZE = 2**62


def _zstandard(file: BinaryIO) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


COMPRESSED: dict[bytes, tuple[str, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstandard),
}
# NotImplementedError and RuntimeError: a kind of compression that zipfile lacks, and a member with a password.
BROKEN: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, pa.ArrowException)
BROKEN += (zipfile.BadZipFile, NotImplementedError, RuntimeError)


def unpacked(content: Content) -> Content:
    """Return what is in a compressed file or in an archive of one table, or `content` itself if it is neither.

    A spreadsheet is an archive too, and stays one. Bytes are counted while they are unpacked, since what a file says of
    its size need not be true. Raises UserError if it is damaged, encrypted or has too many bytes, or if an archive has
    no table or several ones.
    """
    for _ in range(DEEPEST):
        inner = _unpacked_once(content)
        if inner is content:
            return content
        content = inner
    if _unpacked_once(content) is not content:
        raise UserError(f"{content.label}: is packed more than twice; unpack it")
    return content


def _unpacked_once(content: Content) -> Content:
    head = content.head(8)
    if head.startswith((ZIP, EMPTY_ZIP)):
        return _only_table(content)
    for magic, (kind, reader) in COMPRESSED.items():
        if head.startswith(magic):
            with content.open() as file:
                return Content(content.label, _bytes(reader(file), content.label, kind))
    return content


def _bytes(file: IO[bytes], label: str, kind: str) -> bytes:
    try:
        return counted(file.read, label, "unpacks to")
    except BROKEN as error:
        raise UserError(f"{label}: not readable as {kind}: {line_of(error)}; pack or download it again") from None


def members(content: Content) -> list[str]:
    """Return the names in a zip archive. Raises UserError if it cannot be read."""
    try:
        with content.open() as file, zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except BROKEN as error:
        raise UserError(
            f"{content.label}: not readable as a zip archive: {line_of(error)}; pack or download it again"
        ) from None


def is_spreadsheet(content: Content) -> bool:
    """Return whether a zip archive is a spreadsheet, also of a kind that is not read."""
    names = members(content)
    return any(name.startswith("xl/") for name in names) or ("mimetype" in names and "content.xml" in names)


def _only_table(content: Content) -> Content:
    if is_spreadsheet(content):
        return content
    name = _chosen(members(content), content.label)
    with content.open() as file, zipfile.ZipFile(file) as archive:
        info = archive.getinfo(name)
        if info.flag_bits & 1:
            raise UserError(f"{content.label}: {name} is encrypted; unpack it with its password first")
        label = f"{content.label}: {name}"
        try:
            with archive.open(unlimited(info)) as member:
                return Content(label, _bytes(member, label, "zip"))
        except BROKEN as error:
            raise UserError(f"{label}: not readable: {line_of(error)}; pack or download it again") from None


def unlimited(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return the entry of a member without its size, so that all its bytes are read, whatever it says of them."""
    entry = copy(info)
    entry.file_size = UNKNOWN_SIZE
    return entry


def _chosen(names: Sequence[str], label: str) -> str:
    """Return the only file, or the only one whose name is that of a table."""
    paths = {name: PurePosixPath(name) for name in names if not name.endswith("/")}
    files = [
        name for name, path in paths.items() if path.parts[0] != "__MACOSX" and not path.name.startswith((".", "~"))
    ]
    tables = [name for name in files if name.lower().removesuffix(".gz").endswith(TABLES)]
    if len(files) == 1 or len(tables) == 1:
        return files[0] if len(files) == 1 else tables[0]
    if not files:
        raise UserError(f"{label}: is an archive without a file; expected one table in it")
    found = ", ".join((tables or files)[:SHOWN])
    more = f" and {len(tables or files) - SHOWN} more" if len(tables or files) > SHOWN else ""
    raise UserError(f"{label}: is an archive of {found}{more}; unpack it, and give the one file to read")
