"""From a table as it was read to what training sees: features, labels, held-out rows, and warnings."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.config.settings import Config
from straightline.config.sources import Balloons, Example, Table
from straightline.data import balloons, encoding
from straightline.data.checks import checks
from straightline.data.columns import encode_target, group_numbers, require_column, time_order
from straightline.data.features import DAYS, fit_encoding
from straightline.data.folds import Split
from straightline.data.row_values import RowWeights, require_offset, weighted
from straightline.data.rows import RowNumbers
from straightline.data.schema import Division, DivisionKind, Feature, RowCounts, Schema
from straightline.data.totals import total_row
from straightline.data.understanding import understood
from straightline.errors import UserError
from straightline.families import family_of
from straightline.families.target import Target


@dataclass(frozen=True)
class Prepared:
    """Training rows and held-out rows with the columns that training needs, and the schema of both."""

    train: pd.DataFrame
    test: pd.DataFrame
    schema: Schema


def prepare(config: Config, frame: pd.DataFrame, decimal: str = ".") -> Prepared:
    """Check the table `frame`, encode its targets, find out how its columns become numbers, and hold rows out.

    `decimal` is the decimal mark of the file, which decides how text such as 1,200 is read.
    Raises UserError with all problems of the table in one line.
    """
    path, names = config.data.path, feature_names(config, frame)
    problems: list[str] = []
    by, column = divided_by(config)
    extra = extra_columns(config)
    read = understood(config, frame, read_columns(config, frame, [*names, column, *extra]), decimal)
    problems += [*read.problems, *total_row(read.frame)]
    frame, weights = _weighted(config, read.frame, names, problems)
    frame, groups = _in_order(frame, by, column, path, problems)
    labels, targets = _targets(config, frame, problems)
    split = Split(_strata(labels, targets), groups, by == "time")
    train, test = _held_out(split, config, len(frame), problems)
    problems += absent_classes(labels, targets, train)
    features, seen = _encoded(config, frame, train, names, problems)
    features = [replace(feature, written=read.notations.get(feature.column)) for feature in features]
    seen = [*read.checks, *weights.checks, *seen]
    problems += repeated_names([*encoding.term_names(features), *labels]) or repeated_features(features)
    if problems:
        raise UserError(f"{path}: {'; '.join(problem.removeprefix(f'{path}: ') for problem in problems)}")
    encoded = pd.DataFrame(encoding.matrix(frame, features), frame.index, encoding.term_names(features))
    new_words = encoding.unseen(frame.iloc[test], features)
    seen += [replace(check, message=f"{check.message} (held-out rows)") for check in new_words]
    dates = [feature.name for feature in features if feature.kind == "date"]
    seen += checks(pd.concat([encoded, labels], axis=1), targets, by, dates, frame[extra], weights.written_out)
    kept = dict.fromkeys([*(feature.column for feature in features), *([column] if by == "groups" else []), *extra])
    table = pd.concat([frame[list(kept)], labels], axis=1)
    schema = Schema(
        encoding=features,
        standardize=config.data.standardize,
        split=Division(by, column),
        targets=targets,
        rows=RowCounts(len(train), len(test)),
        checks=seen,
        weights=weights.column,
        weights_are=weights.kind,
        offsets=[Feature(name, "number", written=read.notations.get(name)) for name in offset_columns(config)],
    )
    return Prepared(table.iloc[train], table.iloc[test], schema)


def read_columns(config: Config, frame: pd.DataFrame, names: Iterable[str | None]) -> list[str]:
    """Return those of the columns `names`, and of the targets, that are there and may be numbers or dates."""
    wanted = dict.fromkeys([*names, *(target.column for target in config.targets.values())])
    categorical = config.data.categorical if isinstance(config.data, Table) else []
    return [name for name in wanted if name in frame.columns and name not in categorical and name is not None]


def extra_columns(config: Config) -> list[str]:
    """Return the columns of weights, offsets and exposures, which no model predicts from.

    Raises UserError if one of them is a target.
    """
    weights = config.data.weights if isinstance(config.data, Table) else None
    columns = [name for name in dict.fromkeys((weights, *offset_columns(config))) if name is not None]
    if overlap := {target.column for target in config.targets.values()} & set(columns):
        raise UserError(
            f"{config.data.path}: {sorted(overlap)[0]!r} is a target, which no new row has; choose another column for "
            "weights, offset and exposure"
        )
    return columns


def offset_columns(config: Config) -> list[str]:
    """Return the columns of offsets and exposures."""
    names = [name for target in config.targets.values() for name in (target.offset, target.exposure)]
    return list(dict.fromkeys(name for name in names if name is not None))


def _weighted(
    config: Config, frame: pd.DataFrame, names: list[str], problems: list[str]
) -> tuple[pd.DataFrame, RowWeights]:
    if isinstance(config.data, Table) and config.data.weights is not None:
        try:
            return weighted(frame, config.data.weights, config.data.weights_are, names, config.data.path)
        except UserError as error:
            problems.append(str(error))
    return frame, RowWeights()


def absent_classes(labels: pd.DataFrame, targets: dict[str, Target], train: RowNumbers) -> list[str]:
    """Return a problem for each target with a class that only held-out rows have."""
    problems = []
    for target in targets.values():
        known = labels[target.column].iloc[train].unique()
        absent = [name for number, name in enumerate(target.classes or ()) if number not in known]
        if absent:
            problems.append(
                f"target {target.column!r}: only the held-out rows have class {absent[0]!r}, so that no model can "
                "learn it; set another data.held_out, or join the class with another one"
            )
    return problems


def repeated_names(names: list[str]) -> list[str]:
    """Return a problem for each name that several terms have."""
    return [
        f"the name {name!r} stands for a level of a category and for another column; rename one of them"
        for name, count in Counter(names).items()
        if count > 1
    ]


def repeated_features(features: list[Feature]) -> list[str]:
    """Return a problem for each part of a date whose name another column has."""
    counts = Counter(feature.name for feature in features)
    return [
        f"{feature.name!r} is a column, and the {feature.part} of {feature.of!r} too (data.dates); rename or exclude it"
        for feature in features
        if feature.part and counts[feature.name] > 1
    ]


def feature_names(config: Config, frame: pd.DataFrame) -> list[str]:
    """Return the columns to predict from. Raises UserError for names in the settings that the table lacks."""
    if isinstance(config.data, Balloons):
        return list(balloons.FEATURES)
    targets = [*(target.column for target in config.targets.values()), *extra_columns(config)]
    if isinstance(config.data, Example):
        return [str(name) for name in frame.columns if name not in targets]
    exclude = config.data.exclude
    for name in exclude:
        require_column(frame, name, f"{config.data.path}: data.exclude")
    if config.data.features is None:
        # The column that divides the rows is a feature only if data.features names it.
        left_out = {*targets, *exclude, config.data.groups, config.data.time}
        return [str(name) for name in frame.columns if name not in left_out]
    if overlap := set(config.data.features) & {*targets, *exclude}:
        raise UserError(
            f"data.features: {sorted(overlap)} is also a target, a weight, an offset or excluded; remove it from "
            "one of them"
        )
    return config.data.features


def divided_by(config: Config) -> tuple[DivisionKind, str | None]:
    """Return how rows are divided, by `chance`, `groups` or `time`, and the column for this."""
    if not isinstance(config.data, Table):
        return "chance", None
    by: DivisionKind = "chance" if config.data.groups is None else "groups"
    column = config.data.groups or config.data.time
    if column in [target.column for target in config.targets.values()]:
        raise UserError(f"data: rows cannot be divided by {column!r}, which is a target; choose another column")
    return by if config.data.split == "chance" else "time", column


def _in_order(
    frame: pd.DataFrame, by: str, column: str | None, path: str, problems: list[str]
) -> tuple[pd.DataFrame, NDArray | None]:
    """Return the rows, sorted if they are divided by time, and the number of each row's group if they have groups."""
    try:
        if by == "time" and column is not None:
            return frame.iloc[time_order(frame, column, path)], None
        return frame, group_numbers(frame, column, path) if by == "groups" and column is not None else None
    except UserError as error:
        problems.append(str(error))
        return frame, None


def _held_out(split: Split, config: Config, rows: int, problems: list[str]) -> tuple[RowNumbers, RowNumbers]:
    numbers = np.arange(rows, dtype=np.int32)
    try:
        return split.set_aside(numbers, config.data.held_out, config.data.seed)
    except UserError as error:
        problems.append(str(error))
        return numbers, numbers[:0]


def _targets(config: Config, frame: pd.DataFrame, problems: list[str]) -> tuple[pd.DataFrame, dict[str, Target]]:
    """Return the encoded target columns by column name, and the targets by key."""
    labels, targets = {}, {}
    for key, target in config.targets.items():
        try:
            labels[target.column], targets[key] = encode_target(frame, target, config.data.path)
            require_offset(frame, targets[key], config.data.path)
        except UserError as error:
            problems.append(str(error))
    return pd.DataFrame(labels), targets


def _strata(labels: pd.DataFrame, targets: dict[str, Target]) -> NDArray | None:
    """Return the number of each row's stratum, by all targets that have strata, or None if none has."""
    strata = {
        target.column: family_of(target).strata(labels[target.column].to_numpy(), target.classes)
        for target in targets.values()
    }
    table = pd.DataFrame({name: values for name, values in strata.items() if values is not None})
    return table.groupby(list(table)).ngroup().to_numpy() if len(table.columns) else None


def _encoded(
    config: Config, frame: pd.DataFrame, train: RowNumbers, names: list[str], problems: list[str]
) -> tuple[list[Feature], list[Check]]:
    categorical = config.data.categorical if isinstance(config.data, Table) else []
    try:
        for name in categorical:
            require_column(frame, name, "data.categorical")
        dates = config.data.dates if isinstance(config.data, Table) else [DAYS]
        return fit_encoding(frame, train, names, categorical, dates)
    except UserError as error:
        problems.insert(0, str(error))
        return [], []
