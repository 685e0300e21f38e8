"""Stage `data`: generate or read the table, check it, hold out rows, write Parquet files and a schema."""

from pathlib import Path

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import pandas as pd

from straightline.config.settings import Config, load
from straightline.config.sources import Balloons, Example, Table
from straightline.config.streams import address
from straightline.data import balloons, examples
from straightline.data.chance import LARGE_ROWS
from straightline.data.contents import AbsentFileError
from straightline.data.preparation import prepare
from straightline.data.reading import read_table
from straightline.data.schema import Schema
from straightline.errors import UserError
from straightline.large.addresses import fetched
from straightline.large.conversion import converted, may_be_large
from straightline.large.files import table_files
from straightline.large.preparation import prepare_large
from straightline.runtime.artifacts import write_json, write_parquet
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.stage import stage

# Most rows and values in a row group of Parquet. Small groups make a block of many of them a mix of the table.
GROUP_ROWS, GROUP_VALUES = 4_000, 2**16


def run(root: Path) -> None:
    """Write data/train.parquet, data/test.parquet and data/schema.json below `root`.

    Raises UserError with all problems of the table in one line.
    """
    config = load(root / "params.yaml")
    schema = _schema(root, config)
    for warning in schema.warnings:
        say(f"data: warning: {warning}")
    write_json(root / "data/schema.json", schema.to_json())
    rows = schema.rows
    say(f"data: {rows.train:,} training rows, {rows.test:,} held out, {len(schema.features)} features")


def _schema(root: Path, config: Config) -> Schema:
    """Write the rows of the table, and return their schema."""
    table = config.data
    if not isinstance(table, Table) or not may_be_large(root / table.path, table.path):
        return _held(root, config, *_source(root, config))
    is_address = address(table.path) is not None
    with temporary_folder(root) as folder:
        files = fetched(Path(table.path), folder) if is_address else table_files(root / table.path, table.path)
        source = converted(files, table, folder, table.path)
        if source.rows > LARGE_ROWS:
            say(f"data: {table.path}: {source.description}, {source.rows:,} rows")
            return prepare_large(config, source, root, folder)
        if len(source.labels) > 1 or is_address:
            files_read = f"{len(source.labels):,} file{'s' if len(source.labels) > 1 else ''}"
            say(f"data: {table.path}: {files_read}, {source.description}")
            try:
                return _held(root, config, read_table(source.path, label=table.path)[0], source.decimal)
            except UserError as error:
                raise UserError(source.placed(str(error))) from None
    return _held(root, config, *_source(root, config))


def _held(root: Path, config: Config, frame: pd.DataFrame, decimal: str) -> Schema:
    """Write the rows of a table in memory, and return their schema."""
    prepared = prepare(config, frame, decimal)
    group_rows = max(1, min(GROUP_ROWS, GROUP_VALUES // prepared.train.shape[1]))
    write_parquet(root / "data/train.parquet", prepared.train, group_rows)
    write_parquet(root / "data/test.parquet", prepared.test, group_rows)
    return prepared.schema


def run_in_pipeline(root: Path) -> None:
    """Do the same as a stage of DVC, where an absent file may be one that an experiment does not see."""
    try:
        run(root)
    except AbsentFileError as error:
        raise UserError(
            f"{error} (`dvc exp run --temp` and the queue see only files that git or DVC tracks: `dvc add` it)"
        ) from None


def _source(root: Path, config: Config) -> tuple[pd.DataFrame, str]:
    """Return the table and the decimal mark of its file."""
    if isinstance(config.data, Balloons):
        return balloons.generate(config.data.rows, config.data.seed, config.data.partnered_children), "."
    if isinstance(config.data, Example):
        return examples.load(config.data.name), "."
    table = config.data
    frame, written = read_table(root / table.path, table.delimiter, table.decimal, table.sheet, label=table.path)
    say(f"data: {table.path}: {written.description}")
    return frame, table.decimal or written.decimal


if __name__ == "__main__":
    with stage("data"):
        run_in_pipeline(Path("."))
