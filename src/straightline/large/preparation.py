"""From a large table as it was converted to what training sees. One column is in memory at a time, and no row list.

The rules are those of small tables (`data/preparation.py`). What differs: rows are held out by chances, at most
HELD_OUT of them; repeated rows are compared as they are read; and constant, equal and collinear columns are looked for
in the training rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.check import Check
from straightline.config.settings import Config
from straightline.config.sources import Table
from straightline.data import encoding, preparation
from straightline.data.chance import group_keys
from straightline.data.checks import (
    duplicate_checks,
    is_row_number,
)
from straightline.data.columns import encode_target, require_column, time_order
from straightline.data.features import DAYS, fit_column, joined_encodings
from straightline.data.row_values import RowWeights, require_offset, weighted
from straightline.data.schema import Division, Feature, RowCounts, Schema
from straightline.data.totals import is_sum, names_total, total_problem
from straightline.errors import UserError
from straightline.families.target import Target
from straightline.large.checks import encoded_checks
from straightline.large.columns import ColumnFile, database, repeated_rows, sorted_file
from straightline.large.conversion import Converted
from straightline.large.held_out import held_out_rows
from straightline.large.reading import Reading
from straightline.large.writing import write_rows
from straightline.runtime.steps import step


def prepare_large(config: Config, source: Converted, root: Path, folder: Path) -> Schema:
    """Write data/train.parquet and data/test.parquet below `root`, and return their schema.

    `folder` is for temporary files. Raises UserError with all problems of the table in one line.
    """
    path, settings = config.data.path, config.data
    assert isinstance(settings, Table)
    reading = Reading(settings, source.decimal, ColumnFile(source.path))
    problems: list[str] = []
    with _noting(problems), step("rows"):
        empty = reading.file.empty()
        names = preparation.feature_names(config, empty)
        by, column = preparation.divided_by(config)
        extra = preparation.extra_columns(config)
    if problems:
        raise _error(source, path, problems)
    # Repeated rows are counted before anything else is in memory.
    targeted = [target.column for target in config.targets.values()]
    repeated = _repeated(source, [*names, *targeted, *extra], folder, settings)
    weights = _kept_rows(reading, settings, problems)
    groups = _groups_or_order(reading, by, column, path, problems)
    labels, targets = _targets(config, reading, path, problems)
    rows = source.rows if reading.order is None else len(reading.order)
    try:
        is_test, is_train, seen_rows = held_out_rows(settings, rows, groups, by == "time")
    except UserError as error:
        raise _error(source, path, [*problems, str(error)]) from None
    train = np.flatnonzero(is_train).astype(np.int32)
    problems += preparation.absent_classes(labels, targets, train)
    encoded, counters = _features(reading, names, train, settings, problems)
    if problems:
        raise _error(source, path, problems)
    features, seen = encoded
    features = [replace(each, written=reading.notations.get(each.column)) for each in features]
    problems += preparation.repeated_names([*encoding.term_names(features), *labels]) or preparation.repeated_features(
        features
    )
    if problems:
        raise _error(source, path, problems)
    ordered = _ordered_file(reading, folder, source.rows)
    kept = dict.fromkeys([*(each.column for each in features), *([column] if by == "groups" else []), *extra])
    columns = [name for name in kept if name is not None]
    write_rows(reading, ordered, columns, labels, is_train, is_test, root)
    pa.default_memory_pool().release_unused()  # `straightline run` trains in this process.
    seen_words = {name: found for name, found in reading.checks.items() if name in {*names, *extra}}
    schema = Schema(
        encoding=features,
        standardize=settings.standardize,
        split=Division(by, column),
        targets=targets,
        rows=RowCounts(int(is_train.sum()), int(is_test.sum())),
        checks=[*(check for found in seen_words.values() for check in found), *weights.checks, *seen, *seen_rows],
        weights=weights.column,
        weights_are=weights.kind,
        offsets=[
            Feature(name, "number", written=reading.notations.get(name)) for name in preparation.offset_columns(config)
        ],
    )
    return replace(schema, checks=[*schema.checks, *encoded_checks(schema, root, labels, repeated, counters, by)])


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        problems.append(str(error))


def _error(source: Converted, path: str, problems: Sequence[str]) -> UserError:
    joined = "; ".join(problem.removeprefix(f"{path}: ") for problem in problems)
    return UserError(f"{path}: {source.placed(joined)}")


def _kept_rows(reading: Reading, settings: Table, problems: list[str]) -> RowWeights:
    """Leave out rows of weight 0, and return what the weights are."""
    if settings.weights is None:
        return RowWeights()
    try:
        require_column(reading.file.empty(), settings.weights, f"{settings.path}: weights {settings.weights!r}")
        frame = _plain(reading.column(settings.weights)).to_frame(settings.weights)
        used, weights = weighted(frame, settings.weights, settings.weights_are, None, settings.path)
    except UserError as error:
        problems.append(str(error))
        return RowWeights()
    if len(used) < len(frame):
        reading.order = used.index.to_numpy(np.int64)
    return weights


def _groups_or_order(
    reading: Reading, by: str, column: str | None, path: str, problems: list[str]
) -> NDArray[np.uint64] | None:
    """Order the rows by time if they are divided by it, or return the key of each row's group if they have groups."""
    if column is None or by == "chance":
        return None
    try:
        require_column(reading.file.empty(), column, path)
        values = reading.column(column, as_written=by == "groups")
        if by == "groups":
            gaps = values.isna()
            if gaps.any():
                time_order(values.to_frame(column), column, path)
            return group_keys(values)
        order = time_order(_plain(values).to_frame(column), column, path)
    except UserError as error:
        problems.append(str(error))
        return None
    reading.order = order if reading.order is None else reading.order[order]
    return None


def _plain(values: pd.Series) -> pd.Series:
    """Return a column of categories as a column of words."""
    return values.astype("str") if isinstance(values.dtype, pd.CategoricalDtype) else values


def _targets(
    config: Config, reading: Reading, path: str, problems: list[str]
) -> tuple[pd.DataFrame, dict[str, Target]]:
    labels: dict[str, pd.Series] = {}
    targets: dict[str, Target] = {}
    for key, target in config.targets.items():
        try:
            for name in (target.column, target.offset, target.exposure):
                if name is not None:
                    require_column(reading.file.empty(), name, path)
            frame = _plain(reading.column(target.column)).to_frame(target.column)
            labels[target.column], targets[key] = encode_target(frame, target, path)
            for name in targets[key].offset_columns:
                of_name = replace(
                    targets[key],
                    offset=name if name == target.offset else None,
                    exposure=name if name == target.exposure else None,
                )
                require_offset(_plain(reading.column(name)).to_frame(name), of_name, path)
        except UserError as error:
            problems.append(str(error))
    return pd.DataFrame(labels), targets


def _features(
    reading: Reading, names: Sequence[str], train: NDArray, settings: Table, problems: list[str]
) -> tuple[tuple[list[Feature], list[Check]], list[str]]:
    """Return the features and their checks, and the columns that look like row numbers."""
    columns, bad, counters = [], [], []
    words, sums = {}, []  # what the last row says, in case that it sums up those above
    with step("columns") as reached:
        for number, name in enumerate(names):
            try:
                require_column(reading.file.empty(), name, "")
                values = reading.column(name)
                columns.append(fit_column(values, train, name, name in settings.categorical, settings.dates or [DAYS]))
                if pd.api.types.is_integer_dtype(values) and is_row_number(values.to_numpy()):
                    counters.append(name)
                if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
                    words[name] = values.iloc[-1]
                elif is_sum(values):
                    sums.append(name)
            except UserError as error:
                bad.append(str(error).removeprefix(": "))
            reached(f"{number + 1} of {len(names)}")
    if reading.order is None and names_total(pd.Series(words, dtype=object)):
        problems += total_problem(sums, len(values) - 1)
    try:
        for name in settings.categorical:
            require_column(reading.file.empty(), name, "data.categorical")
        return joined_encodings(columns, bad), counters
    except UserError as error:
        problems.insert(0, str(error))
        return ([], []), []


def _repeated(source: Converted, names: Sequence[str], folder: Path, settings: Table) -> list[Check]:
    """Return a check if rows repeat others in the columns `names`, of which some may be absent."""
    known = set(ColumnFile(source.path).schema.names)
    wanted = [name for name in dict.fromkeys(names) if name in known]
    with step("repeated rows"), database(folder, settings.memory) as connection:
        count = repeated_rows(connection, source.path, wanted)
    pa.default_memory_pool().release_unused()
    return duplicate_checks(count, source.rows)


def _ordered_file(reading: Reading, folder: Path, rows: int) -> Path:
    """Return a file with the rows that are used, in their order."""
    if reading.order is None:
        return reading.file.path
    ranks = np.full(rows, -1, np.int64)
    ranks[reading.order] = np.arange(len(reading.order))
    with step("sorting rows"), database(folder, reading.settings.memory) as connection:
        return sorted_file(connection, reading.file.path, pa.array(ranks), folder)
