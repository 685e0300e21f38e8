"""Stage `data`: generate or read the table, check it, hold rows out, write Parquet and a schema."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from straightline import balloons, examples
from straightline.artifacts import write_json, write_parquet
from straightline.checks import warnings
from straightline.config import Balloons, Config, Example, load
from straightline.errors import UserError
from straightline.folds import set_aside
from straightline.reading import read_table
from straightline.stages import stage
from straightline.tables import Column, encode_features, encode_target, require_column

GROUP_ROWS, GROUP_VALUES = 4_000, 2**16  # at most: small, so that a block of many groups is a mix of the table


def run(root: Path) -> None:
    """Write data/train.parquet, data/test.parquet and data/schema.json below `root`."""
    config = load(root / "params.yaml")
    frame = _source(root, config)
    columns = [target.column for target in config.targets.values()]
    table, found = _encoded(config, frame, _features(config, frame, columns))
    features = [name for name in table.columns if name not in columns]

    told = warnings(table, found)
    for warning in told:
        print(f"data: warning: {warning}")
    binary = [column.column for column in found.values() if column.task == "binary"]
    strata = table.groupby(binary).ngroup().to_numpy() if binary else None
    train, test = set_aside(np.arange(len(table), dtype=np.int32), config.data.held_out, config.data.seed, strata)
    schema = {
        "features": features,
        "standardize": config.data.standardize,
        "targets": {key: asdict(column) for key, column in found.items()},
        "rows": {"train": len(train), "test": len(test)},
        "warnings": told,
    }
    group_rows = max(1, min(GROUP_ROWS, GROUP_VALUES // table.shape[1]))
    write_parquet(root / "data/train.parquet", table.iloc[train], group_rows)
    write_parquet(root / "data/test.parquet", table.iloc[test], group_rows)
    write_json(root / "data/schema.json", schema)
    print(f"data: {len(train):,} training rows, {len(test):,} held out, {len(features)} features")


def _features(config: Config, frame: pd.DataFrame, targets: list[str]) -> list[str]:
    if isinstance(config.data, Balloons):
        return list(balloons.FEATURES)
    if isinstance(config.data, Example):
        return [str(name) for name in frame.columns if name not in targets]
    exclude = config.data.exclude
    for name in exclude:
        require_column(frame, name, f"{config.data.path}: data.exclude")
    if config.data.features is None:
        return [str(name) for name in frame.columns if name not in (*targets, *exclude)]
    if overlap := set(config.data.features) & {*targets, *exclude}:
        raise UserError(f"data.features: {sorted(overlap)} is a target too, or excluded; leave it out of one of them")
    return config.data.features


def _encoded(config: Config, frame: pd.DataFrame, features: list[str]) -> tuple[pd.DataFrame, dict[str, Column]]:
    """Return features and targets as numbers. Raises UserError with all that is wrong with them."""
    path, table, found, problems = config.data.path, pd.DataFrame(), {}, []
    try:
        table = encode_features(frame, features, path)
    except UserError as error:
        problems.append(str(error))
    for key, target in config.targets.items():
        try:
            table[target.column], found[key] = encode_target(frame, target, path)
        except UserError as error:
            problems.append(str(error).removeprefix(f"{path}: ") if problems else str(error))
    if problems:
        raise UserError("; ".join(problems))
    return table, found


def _source(root: Path, config: Config) -> pd.DataFrame:
    if isinstance(config.data, Balloons):
        return balloons.generate(config.data.rows, config.data.seed, config.data.partnered_children)
    if isinstance(config.data, Example):
        return examples.load(config.data.name)
    frame, written = read_table(root / config.data.path, config.data.delimiter, config.data.decimal)
    if written is not None:
        print(f"data: {config.data.path}: {written.words}")
    return frame


if __name__ == "__main__":
    with stage("data"):
        run(Path("."))
