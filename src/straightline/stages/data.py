"""Stage `data`: generate or read the table, check it, hold rows out, write Parquet and a schema."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from straightline import balloons, encoding, examples
from straightline.artifacts import write_json, write_parquet
from straightline.checks import warnings
from straightline.config import Balloons, Config, Example, Table, load
from straightline.errors import UserError
from straightline.folds import Rows, set_aside
from straightline.reading import read_table
from straightline.stages import stage
from straightline.tables import Column, encode_target, require_column

GROUP_ROWS, GROUP_VALUES = 4_000, 2**16  # at most: small, so that a block of many groups is a mix of the table


def run(root: Path) -> None:
    """Write data/train.parquet, data/test.parquet and data/schema.json below `root`."""
    config = load(root / "params.yaml")
    frame = _source(root, config)
    columns = [target.column for target in config.targets.values()]
    path, names = config.data.path, _features(config, frame, columns)
    problems: list[str] = []
    targets, found = _targets(config, frame, problems)
    train, test = _split(config, targets, found, len(frame))
    features, told = _encoded(config, frame, train, names, problems)
    if problems:
        raise UserError(f"{path}: {'; '.join(problem.removeprefix(f'{path}: ') for problem in problems)}")
    encoded = pd.DataFrame(encoding.matrix(frame, features), columns=encoding.term_names(features))
    told += warnings(pd.concat([encoded, targets], axis=1), found)
    for warning in told:
        print(f"data: warning: {warning}")
    table = pd.concat([frame[[feature.name for feature in features]], targets], axis=1)
    schema = {
        "features": [feature.name for feature in features],
        "encoding": encoding.as_json(features),
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


def _targets(config: Config, frame: pd.DataFrame, problems: list[str]) -> tuple[pd.DataFrame, dict[str, Column]]:
    table, found = {}, {}
    for key, target in config.targets.items():
        try:
            table[target.column], found[key] = encode_target(frame, target, config.data.path)
        except UserError as error:
            problems.append(str(error))
    return pd.DataFrame(table), found


def _split(config: Config, targets: pd.DataFrame, found: dict[str, Column], rows: int) -> tuple[Rows, Rows]:
    binary = [column.column for column in found.values() if column.task == "binary"]
    strata = targets.groupby(binary).ngroup().to_numpy() if binary else None
    return set_aside(np.arange(rows, dtype=np.int32), config.data.held_out, config.data.seed, strata)


def _encoded(
    config: Config, frame: pd.DataFrame, train: Rows, names: list[str], problems: list[str]
) -> tuple[list[encoding.Feature], list[str]]:
    categorical = config.data.categorical if isinstance(config.data, Table) else []
    try:
        for name in categorical:
            require_column(frame, name, "data.categorical")
        return encoding.fit(frame, train, names, categorical)
    except UserError as error:
        problems.insert(0, str(error))
        return [], []


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
