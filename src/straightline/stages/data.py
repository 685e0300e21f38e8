"""Stage `data`: generate or read the table, check it, hold out rows, write Parquet files and a schema."""

from pathlib import Path

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import pandas as pd

from straightline.config.settings import Config, load
from straightline.config.sources import Balloons, Example
from straightline.data import balloons, examples
from straightline.data.contents import AbsentFileError
from straightline.data.preparation import prepare
from straightline.data.reading import read_table
from straightline.errors import UserError
from straightline.runtime.artifacts import write_json, write_parquet
from straightline.runtime.stage import stage

# Most rows and values in a row group of Parquet. Small groups make a block of many of them a mix of the table.
GROUP_ROWS, GROUP_VALUES = 4_000, 2**16


def run(root: Path) -> None:
    """Write data/train.parquet, data/test.parquet and data/schema.json below `root`.

    Raises UserError with all problems of the table in one line.
    """
    config = load(root / "params.yaml")
    frame, decimal = _source(root, config)
    prepared = prepare(config, frame, decimal)
    schema = prepared.schema
    for warning in schema.warnings:
        say(f"data: warning: {warning}")
    group_rows = max(1, min(GROUP_ROWS, GROUP_VALUES // prepared.train.shape[1]))
    write_parquet(root / "data/train.parquet", prepared.train, group_rows)
    write_parquet(root / "data/test.parquet", prepared.test, group_rows)
    write_json(root / "data/schema.json", schema.to_json())
    rows = schema.rows
    say(f"data: {rows.train:,} training rows, {rows.test:,} held out, {len(schema.features)} features")


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
