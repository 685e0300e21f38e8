"""Which files a table is in: one, those that a pattern such as logs/*.csv names, or those of a folder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from straightline.config.streams import address
from straightline.data.contents import AbsentFileError
from straightline.data.unpacking import TABLES
from straightline.errors import UserError

PATTERN = re.compile(r"[*?\[]")
PACKED = (".gz", ".bz2", ".xz", ".zst")
KEY = re.compile(r"([^=/]+)=([^=/]*)")  # a folder such as year=2024


@dataclass(frozen=True)
class TableFile:
    """A file of a table. `keys` are the values of columns that the names of its folders give."""

    path: Path
    label: str
    keys: dict[str, str] = field(default_factory=dict)


def table_files(path: Path, label: str) -> list[TableFile]:
    """Return the files of the table at `path`, a file, a folder or a pattern, in the order of their names.

    Folders such as `year=2024` below it give columns. Raises UserError if there are none, or if the folders of some
    files give other columns.
    """
    if address(path) or path.is_file():
        return [TableFile(path, label)]
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if is_table(each) and not _is_hidden(each, path))
        if not found:
            raise UserError(f"{label}: is a folder without a table; expected files whose names end in .csv or .parquet")
        root = path
    elif PATTERN.search(str(path)):
        root = _root(path)
        pattern = str(path.relative_to(root))
        found = sorted(each for each in root.glob(pattern) if each.is_file() and not _is_hidden(each, root))
        if not found:
            raise AbsentFileError(f"{label}: no file has such a name; give a pattern such as 'logs/*.csv'")
    else:
        return [TableFile(path, label)]
    files = [TableFile(each, str(each.relative_to(root)), _keys(each.relative_to(root))) for each in found]
    _require_same_keys(files, label)
    return files


def is_table(path: Path) -> bool:
    """Return whether the name of a file is that of a table, compressed or not."""
    name = path.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return path.is_file() and name.endswith(TABLES)


def is_several(path: Path) -> bool:
    """Return whether a path names several files: a folder, or a pattern that is no file itself."""
    return path.is_dir() or (bool(PATTERN.search(str(path))) and not path.exists())


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def _root(path: Path) -> Path:
    parts = path.parts
    first = next(number for number, part in enumerate(parts) if PATTERN.search(part))
    return Path(*parts[:first]) if first else Path()


def _keys(path: Path) -> dict[str, str]:
    matches = (KEY.fullmatch(part) for part in path.parts[:-1])
    return {match[1]: match[2] for match in matches if match is not None}


def _require_same_keys(files: Sequence[TableFile], label: str) -> None:
    first = files[0]
    other = next((file for file in files if [*file.keys] != [*first.keys]), None)
    if other is not None:
        raise UserError(
            f"{label}: the folders of {first.label} give the columns {', '.join(first.keys) or 'none'}, and those of "
            f"{other.label} give {', '.join(other.keys) or 'none'}; expected the same folders for all files"
        )
