"""Columns as people have them (numbers, words, dates, gaps) to the numbers that models take, and back to names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.data.columns import days, is_date, require_column
from straightline.errors import UserError
from straightline.families.numbers import require_finite

MISSING, OTHER = "(missing)", "(other)"
LEVELS = 50  # of a column, at most; rarer ones are one
RARE = 5  # rows below which a level is one of the others
TEXT_SHARE = 0.5  # of the rows with words of their own, from which a column is text or names the rows
SHOWN = 5  # columns in an error
NUMBER_SHARE = 0.9  # of the values that are numbers, from which the others are mistakes


@dataclass(frozen=True)
class Feature:
    """How a column becomes numbers.

    A `number` is itself, a `date` its days since 1970. `fill`, where rows lack it, is put there and another column says
    so. A `category` is a column of 0 and 1 for each of `levels` but the `reference`; words that are none of them, and
    rare ones, are `other` where it has a column, else as the reference.
    """

    name: str
    kind: Literal["number", "date", "category"]
    fill: float | None = None
    levels: tuple[str, ...] = ()
    reference: str | None = None
    other: bool = False

    @property
    def terms(self) -> list[str]:
        """What its columns are called."""
        if self.kind == "category":
            shown = [*([OTHER] if self.other else []), *self.levels]
            return [f"{self.name}[{level}]" for level in shown if level != self.reference]
        return [self.name] if self.fill is None else [self.name, f"{self.name}[missing]"]


def fit(
    frame: pd.DataFrame, rows: NDArray, names: Sequence[str], categorical: Sequence[str]
) -> tuple[list[Feature], list[str]]:
    """Return how the columns `names` become numbers, and what a user should know of that.

    Levels and means are those of the training `rows` (their numbers). Columns in `categorical` are categories. Raises
    UserError, naming columns and rows, for numbers that are infinite, words among numbers, and where no column is left.
    """
    found, told, problems = [], [], []
    for name in names:
        try:
            require_column(frame, name, "")
            feature, note = _feature(frame[name], rows, name, name in categorical)
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
            continue
        found += [feature] if feature is not None else []
        told += [note] if note else []
    _raise(problems)
    if not found:
        why = f" ({'; '.join(told)})" if told else ""
        raise UserError(f"no column is left to predict from{why}; expected at least one besides the targets")
    return found, told


def _raise(problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - SHOWN} more columns" if len(problems) > SHOWN else ""
        raise UserError("; ".join(problems[:SHOWN]) + more)


def require(frame: pd.DataFrame, features: Sequence[Feature]) -> None:
    """Raise UserError, naming columns and rows, unless `frame` has what `features` were made of."""
    problems = []
    for feature in features:
        try:
            raw(frame, feature)
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
    _raise(problems)


def is_plain(features: Sequence[Feature]) -> bool:
    """Return whether the columns are numbers without gaps, so that a model takes them as one matrix."""
    return all(feature.kind == "number" and feature.fill is None for feature in features)


def term_names(features: Sequence[Feature]) -> list[str]:
    """Return the names of the columns of `matrix`."""
    return [term for feature in features for term in feature.terms]


def matrix(frame: pd.DataFrame, features: Sequence[Feature]) -> NDArray[np.float64]:
    """Return `frame` as `(rows, terms)`, by column in memory. Raises UserError where it does not fit `features`."""
    columns = []
    for feature in features:
        values = raw(frame, feature)
        if feature.kind == "category":
            known = pd.Index(feature.levels, dtype=object).get_indexer(pd.Index(values, dtype=object))
            shown = [*([-1] if feature.other else []), *range(len(feature.levels))]
            skipped = feature.levels.index(feature.reference) if feature.reference in feature.levels else None
            columns += [(known == level).astype(np.float64) for level in shown if level != skipped]
        elif feature.fill is None:
            columns.append(values)
        else:
            gaps = np.isnan(values)
            columns += [np.where(gaps, feature.fill, values), gaps.astype(np.float64)]
    encoded = np.empty((len(frame), len(columns)), order="F")
    for number, column in enumerate(columns):
        encoded[:, number] = column
    return encoded


def raw(frame: pd.DataFrame, feature: Feature) -> NDArray:
    """Return what a saved model takes for `feature`, `(rows,)`: words, or float64 with NaN for gaps.

    Raises UserError, naming column and row, where the column is absent or of another type.
    """
    require_column(frame, feature.name, "")
    values = frame[feature.name]
    if feature.kind == "category":
        return _words(values)
    if feature.kind == "date":
        values = days(values, feature.name)
    if feature.fill is not None and values.isna().all():
        return np.full(len(values), np.nan)
    present = values if feature.fill is None else values.dropna()
    require_finite(present, f"column {feature.name!r}")
    return values.to_numpy(np.float64, na_value=np.nan)


def unseen(frame: pd.DataFrame, features: Sequence[Feature]) -> list[str]:
    """Return a sentence for each category that has words in `frame` that it had not in the training rows."""
    told = []
    for feature in features:
        if feature.kind == "category":
            new = sorted(set(raw(frame, feature)) - set(feature.levels))
            if new and not feature.other:
                shown = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
                told.append(f"{feature.name}: {shown} not in the training rows, taken as {feature.reference}")
    return told


def references(features: Sequence[Feature]) -> list[str]:
    """Return the reference level of each category, as `color[red]`."""
    return [f"{feature.name}[{feature.reference}]" for feature in features if feature.kind == "category"]


def _feature(values: pd.Series, rows: NDArray, name: str, is_category: bool) -> tuple[Feature | None, str | None]:
    if values.iloc[rows].isna().all():
        return None, f"{name}: has no value in any training row, left out"
    if is_date(values):
        return _number(days(values, name), rows, name, "date", f"{name}: a date, taken as days since 1970")
    numeric = pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)
    if numeric and not is_category:
        return _number(values, rows, name, "number", None)
    if values.dtype == object and not is_category and _is_bool(values):
        return _number(values.astype("boolean").astype("Float64"), rows, name, "number", None)
    return _category(values, rows, name, is_category)


def _number(
    values: pd.Series, rows: NDArray, name: str, kind: Literal["number", "date"], note: str | None
) -> tuple[Feature, str | None]:
    gaps = int(values.isna().sum())
    require_finite(values.dropna(), f"column {name!r}")
    if not gaps:
        return Feature(name, kind), note
    fill = float(values.iloc[rows].dropna().astype(np.float64).mean())
    told = f"{name}: missing in {gaps:,} of {len(values):,} rows, filled with the mean; a column says where"
    return Feature(name, kind, fill=fill), f"{note}; {told}" if note else told


def _category(values: pd.Series, rows: NDArray, name: str, asked: bool) -> tuple[Feature | None, str | None]:
    if not asked:
        _refuse_mistakes(values, name)
    words = pd.Series(_words(values.iloc[rows]))
    counts = words.value_counts()
    if len(counts) == 1:
        return None, f"{name}: {counts.index[0]} in every training row, left out"
    if not asked and len(counts) > max(TEXT_SHARE * len(words), 2):
        return None, f"{name}: {len(counts):,} different words in {len(words):,} rows, text or a name, left out"
    levels = sorted(counts[counts >= min(RARE, counts.max())].head(LEVELS).index)
    rare = len(counts) - len(levels)
    which = f"all but the {LEVELS} commonest" if len(levels) == LEVELS else f"{rare:,} rare words"
    note = f"{name}: {which} of {len(counts):,} are one level, {name}[{OTHER}]" if rare else None
    return Feature(name, "category", None, tuple(levels), str(counts.index[0]), bool(rare)), note


def _refuse_mistakes(values: pd.Series, name: str) -> None:
    present = values.dropna()
    numbers = pd.to_numeric(present, errors="coerce").notna()
    if NUMBER_SHARE <= numbers.mean() < 1:
        at = int(np.flatnonzero(~numbers)[0])
        raise UserError(
            f"column {name!r}, row {present.index[at] + 1}: expected a number as in {numbers.mean():.0%} of the rows, "
            f"got {present.iloc[at]!r}; correct it, leave the column out, or make it a category"
        )


def _words(values: pd.Series) -> NDArray:
    """Return words, whole numbers without a point, and MISSING for gaps."""
    present = values.dropna()
    if pd.api.types.is_float_dtype(values) and bool(((present % 1 == 0) & (present.abs() < 2**53)).all()):
        values = values.astype("Int64")
    return values.astype("string").fillna(MISSING).to_numpy(object)


def _is_bool(values: pd.Series) -> bool:
    return bool(values.dropna().map(lambda value: isinstance(value, bool | np.bool_)).all())
