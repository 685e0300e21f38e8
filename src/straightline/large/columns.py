"""Single columns of a Parquet file, as pandas series, and what only a database can find out with little memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet

from straightline.data.parquet import kept_type
from straightline.runtime.threads import THREADS

SHARE = 4  # By default DuckDB takes a quarter of the machine's memory at most; it writes the rest to disk.


@dataclass(frozen=True)
class ColumnFile:
    """The columns of the Parquet file `path`."""

    path: Path

    @cached_property
    def schema(self) -> pa.Schema:
        """The names and types of the columns."""
        return pa.parquet.read_schema(self.path)

    def empty(self) -> pd.DataFrame:
        """Return a frame with the names of the columns and no rows."""
        return pd.DataFrame(columns=self.schema.names)

    def series(self, name: str) -> pd.Series:
        """Return a column; words are categories."""
        is_words = pa.types.is_string(self.schema.field(name).type)
        with pa.parquet.ParquetFile(self.path, read_dictionary=[name] if is_words else None) as file:
            column = file.read([name], use_threads=False).column(0)
        if is_words:
            column = column.unify_dictionaries()
        return pa.table({name: column}).to_pandas(types_mapper=kept_type, ignore_metadata=True)[name]


def database(folder: Path, memory: str | None) -> duckdb.DuckDBPyConnection:
    """Return a database that takes at most `memory`, such as "2GB", and writes to `folder` what needs more."""
    limit = memory or f"{psutil.virtual_memory().total // SHARE // 10**6}MB"
    options: dict[str, Any] = {
        "memory_limit": limit,
        "threads": str(THREADS),
        "temp_directory": str(folder / "database"),
    }
    connection = duckdb.connect(config=options)
    connection.execute("SET enable_progress_bar = false")
    return connection


def repeated_rows(connection: duckdb.DuckDBPyConnection, path: Path, names: Sequence[str]) -> int:
    """Return how many rows of a Parquet file repeat an earlier one in the columns `names`.

    Rows are compared by a hash of 64 bits; of a hundred million different rows, about one in 3,700 tables has two with
    the same.
    """
    columns = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)
    query = f"SELECT count(*) - count(DISTINCT hash({columns})) FROM read_parquet($path)"
    ((count,),) = connection.execute(query, {"path": str(path)}).fetchall()
    return int(count)


def sorted_file(connection: duckdb.DuckDBPyConnection, path: Path, ranks: pa.Array, folder: Path) -> Path:
    """Write the rows of a Parquet file by their `ranks` to a new file in `folder`; rows of rank -1 are left out."""
    by_rank, ordered = folder / "ranks.parquet", folder / "sorted.parquet"
    pa.parquet.write_table(pa.table({"rank of the row": ranks}), by_rank)
    connection.execute(
        f"""
        COPY (
            SELECT rows.* FROM read_parquet('{path}') AS rows POSITIONAL JOIN read_parquet('{by_rank}') AS ranks
            WHERE ranks."rank of the row" >= 0 ORDER BY ranks."rank of the row"
        ) TO '{ordered}' (FORMAT parquet, ROW_GROUP_SIZE 65536)
        """
    )
    return ordered
