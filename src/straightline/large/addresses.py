"""Tables at addresses such as s3://bucket/houses.parquet, which fsspec downloads if its packages are there."""

import re
from pathlib import Path

from straightline.config.streams import address
from straightline.data.contents import opened
from straightline.errors import UserError
from straightline.large.files import PATTERN, TableFile
from straightline.runtime.steps import step

FAILED = (OSError, ValueError, RuntimeError, ImportError)
ONE_FILE = ("http", "ftp")  # A question mark in such an address is no pattern.


def fetched(path: Path, folder: Path) -> list[TableFile]:
    """Download the files at the address `path` to `folder`, and return them in the order of their names.

    Raises UserError if fsspec or the package for this kind of address is not installed, or if it cannot be read.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        opened(path)  # It says how to download a file.
        raise
    url = address(path)
    assert url is not None
    is_one = url.startswith(ONE_FILE)
    try:
        with step(f"downloading {url}") as reached:
            system, name = url_to_fs(url)
            names = [name]
            if not is_one and PATTERN.search(name):
                names = sorted(system.glob(name))
            elif not is_one and system.isdir(name):
                names = sorted(system.find(name))
            files = []
            for number, each in enumerate(names):
                suffixes = "".join(re.findall(r"\.[A-Za-z0-9]+", each.rpartition("/")[2].partition("?")[0]))
                local = folder / f"file-{number:06}{suffixes}"
                system.get_file(each, str(local))
                files.append(TableFile(local, url if len(names) == 1 else each))
                reached(f"{number + 1:,} of {len(names):,} files")
    except FAILED as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"{url}: cannot be read ({reason}); check the address, install what fsspec needs for it, or download it "
            "yourself"
        ) from None
    if not files:
        raise UserError(f"{url}: no file has such a name; correct the address")
    return files
