"""The text of a table: UTF-16 becomes UTF-8, and what is no text is said."""

import codecs
import re
from functools import partial

from straightline.data.contents import CHUNK, Content, counted
from straightline.errors import UserError

MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SEPARATOR = re.compile(rb'(?:\xef\xbb\xbf)?"?sep=([\x01-\x7f])"?\r?\n', re.IGNORECASE)
TAR, TAR_AT = b"ustar", 257


def decoded(content: Content) -> Content:
    """Return a text in UTF-16 (or 32) as UTF-8 in memory, and anything else as it is.

    Only the mark at its beginning says what it is. Raises UserError if its bytes are no such text.
    """
    head = content.head(4)
    encoding = next((name for mark, name in MARKS.items() if head.startswith(mark)), None)
    if encoding is None:
        return content
    decoder = codecs.getincrementaldecoder(encoding)()
    with content.open() as file:

        def read(size: int) -> bytes:
            chunk = file.read(size)
            text = decoder.decode(chunk, final=not chunk)
            return text.encode() if text or not chunk else read(size)

        try:
            return Content(content.label, counted(read, content.label, "has"))
        except UnicodeError as error:
            raise UserError(
                f"{content.label}: begins as {encoding.upper()} and is not ({error}); save it as UTF-8"
            ) from None


def without_separator_line(content: Content) -> tuple[Content, str | None]:
    """Return a text without a first line such as `sep=;`, and the delimiter in that line, or None.

    Spreadsheet programs write this line for each other.
    """
    match = SEPARATOR.match(content.head(32))
    if match is None:
        return content, None
    with content.open() as file:
        file.seek(match.end())
        return Content(content.label, counted(file.read, content.label, "has")), match[1].decode("ascii")


def require_text(content: Content) -> None:
    """Raise UserError, naming the line, unless the bytes are text in UTF-8, or if they are an archive or a web page."""
    head = content.head(CHUNK)
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise UserError(f"{content.label}: is empty; expected a header line and rows below it")
    if head[TAR_AT:].startswith(TAR):
        raise UserError(f"{content.label}: is an archive (tar); unpack it, and give the one file to read")
    if re.match(rb"\s*<(!doctype|html|\?xml)", head.removeprefix(codecs.BOM_UTF8), re.IGNORECASE):
        raise UserError(f"{content.label}: is a web page, expected a CSV file; download the file itself")
    line = 1
    with content.open() as file:
        for chunk in iter(partial(file.read, CHUNK), b""):
            whole = chunk + file.readline()  # A chunk ends with a whole line, so that no character is divided.
            _require_characters(content.label, whole, line)
            line += whole.count(b"\n")


def _require_characters(label: str, chunk: bytes, line: int) -> None:
    if (at := chunk.find(b"\0")) >= 0:
        bad_line = line + chunk.count(b"\n", 0, at)
        raise UserError(f"{label}: line {bad_line}: has a NUL byte, expected text; write the file again")
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        bad_line = line + chunk.count(b"\n", 0, error.start)
        raise UserError(
            f"{label}: line {bad_line}: byte 0x{chunk[error.start]:02x} is not UTF-8; save the file as UTF-8 (in a "
            "spreadsheet program: CSV UTF-8), or type iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
        ) from None
