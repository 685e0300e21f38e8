"""From a large table as it was converted to what training sees. One column is in memory at a time, and no row list.

The rules are those of small tables (`data/preparation.py`). What differs: rows are held out by chances, at most
HELD_OUT of them; repeated rows are compared as they are read; and constant, equal and collinear columns are looked for
in the training rows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from straightline.check import Check
from straightline.config.settings import Config
from straightline.config.sources import Table
from straightline.data import encoding, preparation
from straightline.data.chance import chances, group_keys
from straightline.data.checks import (
    correlation_checks,
    duplicate_checks,
    is_row_number,
    leak_checks,
    order_checks,
    row_number_checks,
)
from straightline.data.columns import encode_target, require_column, time_order
from straightline.data.features import DAYS, fit_column, joined_encodings
from straightline.data.notation import Notation
from straightline.data.row_values import RowWeights, require_offset, weighted
from straightline.data.schema import Division, Feature, RowCounts, Schema
from straightline.data.understanding import understood_column
from straightline.errors import UserError
from straightline.families import family_of
from straightline.families.target import Target
from straightline.large.columns import ColumnFile, database, repeated_rows, sorted_file
from straightline.large.conversion import GROUP_ROWS, Converted
from straightline.large.statistics import column_statistics, leaking_columns
from straightline.runtime.artifacts import replacing
from straightline.runtime.steps import step

HELD_OUT = 250_000  # So many held-out rows are enough for scores, and fit into memory.
NEIGHBOURS, STRETCH = 2**18, 2**13  # Whether neighbouring rows are alike is seen in so many rows.
HELD_OUT_CHANCES = 0  # the stream of chances by which rows are held out


@dataclass
class _Reading:
    """Columns that are read one at a time, in the order of the rows that are used, and what was seen in them."""

    config: Config
    source: Converted
    file: ColumnFile
    order: NDArray[np.int64] | None = None
    notations: dict[str, Notation] = field(default_factory=dict)
    checks: dict[str, list[Check]] = field(default_factory=dict)

    def column(self, name: str, as_written: bool = False) -> pd.Series:
        """Return a column, with numbers and dates in place of text unless it shall stay `as_written`."""
        values = self.file.series(name)
        settings = self.config.data
        assert isinstance(settings, Table)
        if not as_written and name not in settings.categorical:
            values, way, found = understood_column(
                values, name, self.source.decimal, settings.dayfirst, settings.missing
            )
            self.checks[name] = found
            self.notations |= {} if way is None else {name: way}
        return values if self.order is None else values.iloc[self.order]


def prepare_large(config: Config, source: Converted, root: Path, folder: Path) -> Schema:
    """Write data/train.parquet and data/test.parquet below `root`, and return their schema.

    `folder` is for temporary files. Raises UserError with all problems of the table in one line.
    """
    path, settings = config.data.path, config.data
    assert isinstance(settings, Table)
    reading = _Reading(config, source, ColumnFile(source.path))
    connection = database(folder, settings.memory)
    problems: list[str] = []
    with _noting(problems), step("rows"):
        empty = reading.file.empty()
        names = preparation.feature_names(config, empty)
        by, column = preparation.divided_by(config)
        extra = preparation.extra_columns(config)
    if problems:
        raise _error(path, problems)
    weights = _kept_rows(reading, settings, problems)
    groups = _groups_or_order(reading, by, column, path, problems)
    labels, targets = _targets(reading, path, problems)
    rows = source.rows if reading.order is None else len(reading.order)
    is_test, is_train, seen_rows = _held_out(settings, rows, groups, by == "time")
    train = np.flatnonzero(is_train).astype(np.int32)
    problems += preparation.absent_classes(labels, targets, train)
    encoded, counters = _features(reading, names, train, settings, problems)
    if problems:
        raise _error(path, problems)
    features, seen = encoded
    features = [replace(each, written=reading.notations.get(each.column)) for each in features]
    problems += preparation.repeated_names([*encoding.term_names(features), *labels]) or preparation.repeated_features(
        features
    )
    if problems:
        raise _error(path, problems)
    wanted = list(dict.fromkeys([*names, *(target.column for target in targets.values()), *extra]))
    with step("repeated rows"):
        repeated = duplicate_checks(repeated_rows(connection, source.path, wanted), source.rows)
    ordered = _ordered_file(reading, connection, folder, source.rows)
    kept = dict.fromkeys([*(each.column for each in features), *([column] if by == "groups" else []), *extra])
    columns = [name for name in kept if name is not None]
    _write(reading, ordered, columns, labels, is_train, is_test, root)
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
    return replace(schema, checks=[*schema.checks, *_late_checks(schema, root, labels, repeated, counters, by)])


@contextmanager
def _noting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        problems.append(str(error))


def _error(path: str, problems: Sequence[str]) -> UserError:
    return UserError(f"{path}: {'; '.join(problem.removeprefix(f'{path}: ') for problem in problems)}")


def _kept_rows(reading: _Reading, settings: Table, problems: list[str]) -> RowWeights:
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
    reading: _Reading, by: str, column: str | None, path: str, problems: list[str]
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


def _targets(reading: _Reading, path: str, problems: list[str]) -> tuple[pd.DataFrame, dict[str, Target]]:
    labels: dict[str, pd.Series] = {}
    targets: dict[str, Target] = {}
    for key, target in reading.config.targets.items():
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


def _held_out(
    settings: Table, rows: int, groups: NDArray | None, ordered: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], list[Check]]:
    """Return which rows are held out, which are trained on, and a check if fewer are held out than was asked for."""
    keys = np.arange(rows) if groups is None else groups
    drawn = chances(keys, settings.seed, HELD_OUT_CHANCES)
    share = min(settings.held_out, HELD_OUT / rows)
    if not ordered:
        is_test = drawn < share
        is_train = ~is_test
    else:
        aside = round(settings.held_out * rows)
        is_train = np.arange(rows) < rows - aside
        is_test = ~is_train & (drawn < HELD_OUT / max(aside, 1))
    if share == settings.held_out:
        return is_test, is_train, []
    message = f"{is_test.sum():,} rows are held out instead of {settings.held_out:.0%}, which are enough for scores"
    return is_test, is_train, [Check("held-out", message)]


def _features(
    reading: _Reading, names: Sequence[str], train: NDArray, settings: Table, problems: list[str]
) -> tuple[tuple[list[Feature], list[Check]], list[str]]:
    """Return the features and their checks, and the columns that look like row numbers."""
    columns, bad, counters = [], [], []
    with step("columns") as reached:
        for number, name in enumerate(names):
            try:
                require_column(reading.file.empty(), name, "")
                values = reading.column(name)
                columns.append(fit_column(values, train, name, name in settings.categorical, settings.dates or [DAYS]))
                if pd.api.types.is_integer_dtype(values) and is_row_number(values.to_numpy()):
                    counters.append(name)
            except UserError as error:
                bad.append(str(error).removeprefix(": "))
            reached(f"{number + 1} of {len(names)}")
    try:
        for name in settings.categorical:
            require_column(reading.file.empty(), name, "data.categorical")
        return joined_encodings(columns, bad), counters
    except UserError as error:
        problems.insert(0, str(error))
        return ([], []), []


def _ordered_file(reading: _Reading, connection: Any, folder: Path, rows: int) -> Path:
    """Return a file with the rows that are used, in their order."""
    if reading.order is None:
        return reading.file.path
    ranks = np.full(rows, -1, np.int64)
    ranks[reading.order] = np.arange(len(reading.order))
    with step("sorting rows"):
        return sorted_file(connection, reading.file.path, pa.array(ranks), folder)


def _write(
    reading: _Reading,
    path: Path,
    columns: Sequence[str],
    labels: pd.DataFrame,
    is_train: NDArray,
    is_test: NDArray,
    root: Path,
) -> None:
    with (
        step("writing rows") as reached,
        replacing(root / "data/train.parquet") as train,
        replacing(root / "data/test.parquet") as test,
        pa.parquet.ParquetFile(path) as file,
    ):
        schema = _written_schema(reading, file.schema_arrow, columns, labels)
        with (
            pa.parquet.ParquetWriter(train, schema) as train_writer,
            pa.parquet.ParquetWriter(test, schema) as test_writer,
        ):
            row = 0
            for batch in file.iter_batches(GROUP_ROWS, columns=[name for name in columns if name not in labels]):
                part = slice(row, row + batch.num_rows)
                table = _part(reading, pa.Table.from_batches([batch]), schema, labels.iloc[part])
                for writer, mask in ((train_writer, is_train), (test_writer, is_test)):
                    writer.write_table(table.filter(pa.array(mask[part])), GROUP_ROWS)
                row += batch.num_rows
                reached(f"{row:,} of {len(labels):,}")


def _written_schema(reading: _Reading, schema: pa.Schema, columns: Sequence[str], labels: pd.DataFrame) -> pa.Schema:
    """Return the types of columns as they are written: numbers and dates in place of text."""
    types = {}
    for name in columns:
        way = reading.notations.get(name)
        is_text = pa.types.is_string(schema.field(name).type)
        if way is None:
            types[name] = schema.field(name).type
        elif is_text and way.date is not None:
            types[name] = pa.timestamp("us")
        else:
            types[name] = pa.float64()
    for column, values in labels.items():
        types[str(column)] = pa.from_numpy_dtype(values.dtype)
    return pa.schema(types)


def _part(reading: _Reading, table: pa.Table, schema: pa.Schema, labels: pd.DataFrame) -> pa.Table:
    settings = reading.config.data
    assert isinstance(settings, Table)
    columns: dict[str, Any] = {}
    for name in schema.names:
        if name in labels:
            columns[name] = pa.array(labels[name])
        elif name in settings.categorical or not (name in reading.notations or pa.types.is_string(table[name].type)):
            columns[name] = table[name]
        else:
            columns[name] = pa.array(_understood(reading, table[name], name, settings), schema.field(name).type)
    return pa.table(columns, schema=schema)


def _understood(reading: _Reading, column: pa.ChunkedArray, name: str, settings: Table) -> pd.Series:
    """Return a part of a column with numbers or dates in place of text, in the notation of the whole column."""
    from straightline.data import notation
    from straightline.data.understanding import without_gaps

    values = pa.table({name: column}).to_pandas()[name]
    way = reading.notations.get(name)
    if not pa.types.is_string(column.type):
        return notation.without_missing(values, settings.missing)
    return without_gaps(values, settings.missing) if way is None else notation.parsed(values, way, name)


def _stretches(values: NDArray) -> NDArray:
    """Return evenly spaced stretches of neighbouring rows, at most NEIGHBOURS rows in all."""
    if len(values) <= NEIGHBOURS:
        return values
    starts = np.linspace(0, len(values) - STRETCH, NEIGHBOURS // STRETCH).astype(int)
    return np.concatenate([values[start : start + STRETCH] for start in starts])


def _late_checks(
    schema: Schema,
    root: Path,
    labels: pd.DataFrame,
    repeated: list[Check],
    counters: Sequence[str],
    by: str,
) -> list[Check]:
    """Return what is odd about the encoded columns and the labels, in the order in which small tables have it."""
    test = pd.read_parquet(root / "data/test.parquet")
    found = [
        replace(check, message=f"{check.message} (held-out rows)") for check in encoding.unseen(test, schema.encoding)
    ]
    statistics = column_statistics(root, schema)
    names = pd.Index(statistics.names)
    varied = statistics.deviations > 0
    constant = [Check("constant", "the same in every row", tuple(names[~varied]))] if not varied.all() else []
    found += [*repeated, *constant, *row_number_checks(counters)]
    found += correlation_checks(statistics.correlations, names[varied], statistics.rows) if varied.sum() > 1 else []
    for key, target in schema.targets.items():
        values = labels[target.column].to_numpy(np.float64)
        with step(f"checks of {target.column}"):
            found += family_of(target).checks(values, target)
            found += leak_checks(leaking_columns(root, schema, key), target)
            found += order_checks(_stretches(values), target) if by == "chance" else []
    return found
