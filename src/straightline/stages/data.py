"""Stage `data`: generate or read the table, check it, hold rows out, write Parquet and a schema."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from straightline import balloons
from straightline.artifacts import write_json, write_parquet
from straightline.config import Balloons, Config, load
from straightline.errors import UserError
from straightline.folds import set_aside
from straightline.stages import stage
from straightline.tables import encode_features, encode_target, read_table

GROUP_ROWS, GROUP_VALUES = 4_000, 2**16  # at most: small, so that a block of many groups is a mix of the table


def run(root: Path) -> None:
    """Write data/train.parquet, data/test.parquet and data/schema.json below `root`."""
    config = load(root / "params.yaml")
    frame = _source(root, config)
    columns = [target.column for target in config.targets.values()]
    features = _features(config, frame, columns)
    if overlap := set(features) & set(columns):
        raise UserError(f"data.features: {sorted(overlap)} is a target too; a target cannot predict itself")
    table = encode_features(frame, features, config.data.path)
    found = {}
    for key, target in config.targets.items():
        table[target.column], found[key] = encode_target(frame, target, config.data.path)

    binary = [column.column for column in found.values() if column.task == "binary"]
    strata = table.groupby(binary).ngroup().to_numpy() if binary else None
    train, test = set_aside(np.arange(len(table), dtype=np.int32), config.data.held_out, config.data.seed, strata)
    schema = {
        "features": features,
        "standardize": config.data.standardize,
        "targets": {key: asdict(column) for key, column in found.items()},
        "rows": {"train": len(train), "test": len(test)},
    }
    group_rows = max(1, min(GROUP_ROWS, GROUP_VALUES // table.shape[1]))
    write_parquet(root / "data/train.parquet", table.iloc[train], group_rows)
    write_parquet(root / "data/test.parquet", table.iloc[test], group_rows)
    write_json(root / "data/schema.json", schema)
    print(f"data: {len(train):,} training rows, {len(test):,} held out, {len(features)} features")


def _features(config: Config, frame: pd.DataFrame, targets: list[str]) -> list[str]:
    if isinstance(config.data, Balloons):
        return list(balloons.FEATURES)
    if config.data.features is not None:
        return config.data.features
    return [str(name) for name in frame.columns if name not in targets]


def _source(root: Path, config: Config) -> pd.DataFrame:
    if isinstance(config.data, Balloons):
        return balloons.generate(config.data.rows, config.data.seed, config.data.partnered_children)
    return read_table(root / config.data.path)


if __name__ == "__main__":
    with stage("data"):
        run(Path("."))
