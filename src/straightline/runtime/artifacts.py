"""Read and write the files of the stages. The same values give the same bytes, and no file is ever half written."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from straightline.errors import UserError
from straightline.runtime.leftovers import PARTIAL, signed

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    A file that exists keeps its permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{signed(PARTIAL)}{secrets.token_hex(4)}{path.suffix}"
    temporary.touch(exist_ok=False)  # with the permissions that the user's umask leaves
    try:
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON and keep the order of its keys. Raises ValueError for NaN and infinity."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the value in a JSON file. Raises UserError if the file is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index. Numbers have 17 significant digits, so that float64 reads back exactly."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.17g", lineterminator="\n")


def write_parquet(path: Path, table: pd.DataFrame, group_rows: int | None = None) -> None:
    """Write `table` without its index, in row groups of `group_rows` rows."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False, row_group_size=group_rows)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the table in a Parquet file, or some columns of it. Raises UserError if the file is not Parquet."""
    import pandas as pd
    from pyarrow.lib import ArrowException

    try:
        return pd.read_parquet(path, columns=None if columns is None else list(columns))
    except ArrowException as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(
        f"{path}: unreadable ({reason}); run `dvc checkout`, then `dvc repro`, or `straightline run` if that made it"
    )


def md5(path: Path) -> str:
    """Return the MD5 digest of a file, as DVC records it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
