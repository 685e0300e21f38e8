"""The installed package as a wheel, for saved models and projects that are installed where no index has the package."""

import base64
import csv
import hashlib
import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from straightline.errors import UserError

PACKAGE = "straightline"
WHEELS = "wheels"  # name of the folder with the wheel
FORMAT = "Wheel-Version: 1.0\nGenerator: straightline\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
DIGITS = 12  # hexadecimal digits of the code's digest in the version


@dataclass(frozen=True)
class Wheel:
    """A wheel: the name of its file, the version in it, and its bytes."""

    name: str
    version: str
    content: bytes

    def write(self, folder: Path) -> None:
        """Write the wheel into `folder`, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.name).write_bytes(self.content)


@cache
def package_wheel() -> Wheel:
    """Return the code of this package, as it runs here, as a wheel (PyPA's binary distribution format 1.0).

    Its version is that of the package with a digest of the code as local part (PEP 440), such as 0.1.0+sha9ac5bda1f98d.
    So no index has the same version, and other code has another one. The same code gives the same bytes. Raises
    UserError if only the folder of the package is imported, and nothing describes it.
    """
    installed = distribution(PACKAGE)
    metadata = installed.read_text("METADATA") or installed.read_text("PKG-INFO")
    if metadata is None:
        raise UserError(f"{PACKAGE}: has no METADATA; install it with pip instead of only importing its folder")
    files = _code(Path(__file__).parents[1])
    public = installed.version.partition("+")[0]
    version = f"{public}+sha{_digest(files, metadata.replace(installed.version, public, 1))}"
    files |= _described(installed, _with_version(metadata, version), f"{PACKAGE}-{version}.dist-info")
    return Wheel(f"{PACKAGE}-{version}-py3-none-any.whl", version, _zipped(files))


def _code(package: Path) -> dict[str, bytes]:
    """Return the bytes of the package's files by their path in the wheel; links of a clone are followed."""
    files = {}
    for folder, folders, names in os.walk(package, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            if not name.endswith((".pyc", "~")) and not name.startswith("."):
                path = Path(folder) / name
                files[path.relative_to(package.parent).as_posix()] = path.read_bytes()
    return files


def _digest(files: Mapping[str, bytes], metadata: str) -> str:
    digest = hashlib.sha256(metadata.encode())
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:DIGITS]


def _with_version(metadata: str, version: str) -> str:
    return re.sub(r"^Version: .*$", f"Version: {version}", metadata, count=1, flags=re.MULTILINE)


def _described(installed: Distribution, metadata: str, folder: str) -> dict[str, bytes]:
    """Return the files of the folder that describes a wheel, except RECORD."""
    texts = {"METADATA": metadata, "WHEEL": FORMAT}
    for name in ("entry_points.txt", "licenses/LICENSE"):
        if (text := installed.read_text(name)) is not None:
            texts[name] = text
    return {f"{folder}/{name}": text.encode() for name, text in texts.items()}


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP archive of `files` and of the RECORD that lists them; its times are constant."""
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow((name, f"sha256={digest}", len(content)))
    place = f"{next(name for name in files if '.dist-info/' in name).partition('/')[0]}/RECORD"
    rows.writerow((place, "", ""))
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as file:
        for name, content in [*files.items(), (place, record.getvalue().encode())]:
            entry = ZipInfo(name)
            entry.external_attr = 0o644 << 16
            entry.compress_type = ZIP_DEFLATED
            file.writestr(entry, content)
    return archive.getvalue()
