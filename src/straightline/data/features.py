"""Find out from the training rows how the columns of a table become numbers: features, and what was seen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.data import encoding, notation
from straightline.data.columns import column, days, is_date, part_of_dates
from straightline.data.schema import OTHER, DateFeature, Feature
from straightline.errors import UserError
from straightline.families.numbers import require_finite

DAYS: Literal["days"] = "days"  # the feature of a date that counts days
MANY_LEVELS = 12  # The user is told about a category with more levels than this.
LEVELS = 50  # The largest number of levels of a category. Rarer words are combined into the level OTHER.
RARE = 5  # A word with fewer rows than this is combined into the level OTHER.
TEXT_SHARE = 0.5  # A column with more different words than this share of its rows is text, or holds names of rows.
MOST = 0.5  # If at least this share of the values are numbers, the user is told about the others.
NUMBER_SHARE = 0.9  # If at least this share of the values are numbers, the other values are mistakes.

Encoded = tuple[Feature | None, list[Check]]  # a feature, or None if the column is left out, and what was seen


def fit_encoding(
    frame: pd.DataFrame,
    rows: NDArray,
    names: Sequence[str],
    categorical: Sequence[str],
    dates: Sequence[DateFeature] = (DAYS,),
) -> tuple[list[Feature], list[Check]]:
    """Return the encodings of the columns `names`, and checks of them.

    `rows` are the positions of the training rows. Levels and means come from these rows only. Columns in `categorical`
    are categories. `dates` says what of a date is a feature: `days`, `year`, `month`, `weekday`. Raises UserError for
    infinite numbers, for words among numbers, and if no column is left. The message names columns and rows.
    """
    columns, problems = [], []
    for name in names:
        try:
            columns.append(fit_column(column(frame, name, ""), rows, name, name in categorical, dates))
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
    return joined_encodings(columns, problems)


def fit_column(
    values: pd.Series, rows: NDArray, name: str, is_category: bool, dates: Sequence[DateFeature] = (DAYS,)
) -> list[Encoded]:
    """Return the features of a column, and checks of each. Arguments and errors are those of `fit_encoding`."""
    found = _dates(values, rows, name, dates) if _is_date(values, is_category) else []
    return found or [_feature(values, rows, name, is_category)]


def joined_encodings(
    columns: Sequence[Sequence[Encoded]], problems: Sequence[str]
) -> tuple[list[Feature], list[Check]]:
    """Return the features and the checks of all columns. Raises UserError with `problems`, or without any feature."""
    encoding.raise_if_any(problems)
    features = [feature for of_column in columns for feature, _ in of_column if feature is not None]
    checks = [check for of_column in columns for _, found in of_column for check in found]
    if not features:
        reasons = f" ({'; '.join(map(str, checks))})" if checks else ""
        raise UserError(f"no column is left to predict from{reasons}; expected at least one besides the targets")
    return features, checks


def _feature(values: pd.Series, rows: NDArray, name: str, is_category: bool) -> Encoded:
    if values.iloc[rows].isna().all():
        return None, [Check("empty", "has no value in any training row, left out", (name,))]
    if is_category:
        return _category(values, rows, name, True)
    if pd.api.types.is_bool_dtype(values) or (values.dtype == object and encoding.is_bool(values)):
        feature, found = _number(values.astype("boolean").astype("Float64"), rows, name, "number")
        return replace(feature, truth=True), found
    if pd.api.types.is_numeric_dtype(values):
        return _number(values, rows, name, "number")
    return _category(values, rows, name, False)


def _is_date(values: pd.Series, is_category: bool) -> bool:
    return not is_category and not values.isna().all() and is_date(values)


def _dates(values: pd.Series, rows: NDArray, name: str, parts: Sequence[DateFeature]) -> list[Encoded]:
    """Return features of a column of dates. Nothing is returned if no training row has a date."""
    if values.iloc[rows].isna().all():
        return []
    found: list[Encoded] = []
    since = days(values, name)
    for part in parts:
        if part == DAYS:
            feature, gaps = _number(since, rows, name, "date")
            found.append((feature, [Check("date", "a date, taken as days since 1970", (name,)), *gaps]))
            continue
        shown, words = f"{name} {part}", part_of_dates(since, part)
        made: Encoded = _number(words, rows, shown, "number") if part == "year" else _category(words, rows, shown, True)
        found.append((made[0] and replace(made[0], of=name, part=part), made[1]))
    return found


def _number(
    values: pd.Series, rows: NDArray, name: str, kind: Literal["number", "date"]
) -> tuple[Feature, list[Check]]:
    gaps = int(values.isna().sum())
    require_finite(values.dropna(), f"column {name!r}")
    if not gaps:
        return Feature(name, kind), []
    fill = float(values.iloc[rows].dropna().astype(np.float64).mean())
    message = f"missing in {gaps:,} of {len(values):,} rows, filled with the mean; another column marks them"
    return Feature(name, kind, fill=fill), [Check("missing", message, (name,))]


def _category(values: pd.Series, rows: NDArray, name: str, is_requested: bool) -> Encoded:
    mixed = None if is_requested else _mixture(values, name)
    counts = encoding.word_counts(values.iloc[rows])
    if len(counts) == 1:
        return None, [Check("constant", f"{counts.index[0]} in every training row, left out", (name,))]
    if not is_requested and len(counts) > max(TEXT_SHARE * len(rows), 2):
        message = f"{len(counts):,} different words in {len(rows):,} rows, text or names, left out"
        return None, [Check("text", message, (name,))]
    levels = sorted(counts[counts >= min(RARE, counts.max())].head(LEVELS).index)
    rare = len(counts) - len(levels)
    combined = f"all but the {LEVELS} commonest" if len(levels) == LEVELS else f"{rare:,} rare words"
    found = [] if mixed is None else [mixed]
    if rare:
        message = f"{combined} of {len(counts):,} are combined into one level, {name}[{OTHER}]"
        found.append(Check("rare-levels", message, (name,)))
    elif len(levels) > MANY_LEVELS:
        found.append(Check("many-levels", f"{len(levels)} levels, each a column of 0 and 1", (name,)))
    return Feature(name, "category", None, tuple(levels), str(counts.index[0]), bool(rare)), found


def _mixture(values: pd.Series, name: str) -> Check | None:
    """Return a check if most values are numbers. Raises UserError if nearly all are: then the others are mistakes."""
    present = values.dropna()
    is_number = notation.are_numbers(present)
    if is_number.mean() < MOST:
        return None
    if is_number.all():
        raise UserError(
            f"column {name!r}: has numbers with decimal commas and others with decimal points; write them alike, leave "
            "the column out, or make it a category"
        )
    at = int(np.flatnonzero(~is_number)[0])
    where = f"row {present.index[at] + 1}"
    if is_number.mean() >= NUMBER_SHARE:
        raise UserError(
            f"column {name!r}, {where}: expected a number as in {is_number.mean():.0%} of the rows, got "
            f"{present.iloc[at]!r}; correct it, name it in --missing if it stands for a gap, leave the column out, or "
            "make it a category"
        )
    message = f"numbers in {is_number.mean():.0%} of the rows and words in the others, such as {present.iloc[at]!r}"
    return Check("mixed", message, (name,))
