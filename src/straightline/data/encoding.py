"""Encode the columns of a table (numbers, words, dates, missing values) as numbers for models, with their names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.data import notation
from straightline.data.columns import column, days, is_date, part_of_dates
from straightline.data.schema import OTHER, DateFeature, Feature
from straightline.errors import UserError
from straightline.families.numbers import require_finite

DAYS: Literal["days"] = "days"  # the feature of a date that counts days
MISSING = "(missing)"
MANY_LEVELS = 12  # The user is told about a category with more levels than this.
LEVELS = 50  # The largest number of levels of a category. Rarer words are combined into the level OTHER.
RARE = 5  # A word with fewer rows than this is combined into the level OTHER.
TEXT_SHARE = 0.5  # A column with more different words than this share of its rows is text, or holds names of rows.
SHOWN = 5  # The largest number of columns that an error names.
MOST = 0.5  # If at least this share of the values are numbers, the user is told about the others.
NUMBER_SHARE = 0.9  # If at least this share of the values are numbers, the other values are mistakes.


def fit(
    frame: pd.DataFrame,
    rows: NDArray,
    names: Sequence[str],
    categorical: Sequence[str],
    dates: Sequence[DateFeature] = (DAYS,),
) -> tuple[list[Feature], list[str]]:
    """Return the encodings of the columns `names`, and messages about them for the user.

    `rows` are the positions of the training rows. Levels and means come from these rows only. Columns in `categorical`
    are categories. `dates` says what of a date is a feature: `days`, `year`, `month`, `weekday`. Raises UserError for
    infinite numbers, for words among numbers, and if no column is left. The message names columns and rows.
    """
    features, messages, problems = [], [], []
    for name in names:
        try:
            values, is_category = column(frame, name, ""), name in categorical
            found = _dates(values, rows, name, dates) if _is_date(values, is_category) else []
            found = found or [_feature(values, rows, name, is_category)]
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
            continue
        features += [feature for feature, _ in found if feature is not None]
        messages += [note for _, note in found if note]
    _raise_if_any(problems)
    if not features:
        reasons = f" ({'; '.join(messages)})" if messages else ""
        raise UserError(f"no column is left to predict from{reasons}; expected at least one besides the targets")
    return features, messages


def _raise_if_any(problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - SHOWN} more columns" if len(problems) > SHOWN else ""
        raise UserError("; ".join(problems[:SHOWN]) + more)


def require(frame: pd.DataFrame, features: Sequence[Feature]) -> None:
    """Raise UserError, naming columns and rows, unless `frame` has valid columns for all `features`."""
    problems = []
    for feature in features:
        try:
            raw(frame, feature)
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
    _raise_if_any(problems)


def blanks(frame: pd.DataFrame, features: Sequence[Feature]) -> dict[str, NDArray[np.bool_]]:
    """Return which rows, `(rows,)`, are blank in each column that has blanks now and had none in training.

    Raises UserError, as `require` does, for everything else that does not fit `features`.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    problems = []
    for feature in features:
        try:
            is_blank = _is_blank(frame, feature)
            if not is_blank.all():
                raw(frame.loc[~is_blank, [feature.column]], feature)
        except UserError as error:
            problems.append(str(error).removeprefix(": "))
            continue
        if is_blank.any():
            found[feature.column] = is_blank | found.get(feature.column, False)
    _raise_if_any(problems)
    return found


def _is_blank(frame: pd.DataFrame, feature: Feature) -> NDArray[np.bool_]:
    values = _values(frame, feature)
    # A blank among words is a word like others in training, and may be one of the rare words.
    has_level = feature.kind == "category" and (feature.other or MISSING in feature.levels)
    has_place = has_level or feature.fill is not None
    return np.zeros(len(values), bool) if has_place else values.isna().to_numpy(bool)


def is_plain(features: Sequence[Feature]) -> bool:
    """Return whether all columns are numbers without missing values, so that a model takes them as one matrix."""
    return all(feature.kind == "number" and feature.fill is None for feature in features)


def term_names(features: Sequence[Feature]) -> list[str]:
    """Return the names of the columns of `matrix`."""
    return [term for feature in features for term in feature.terms]


def matrix(frame: pd.DataFrame, features: Sequence[Feature]) -> NDArray[np.float64]:
    """Return `frame` encoded as `(rows, terms)`, in column order in memory.

    Raises UserError if its columns do not fit `features`.
    """
    terms = []
    for feature in features:
        values = raw(frame, feature)
        if feature.kind == "category":
            codes = pd.Index(feature.levels, dtype=object).get_indexer(pd.Index(values, dtype=object))  # unknown: -1
            levels = [*([-1] if feature.other else []), *range(len(feature.levels))]
            reference = feature.levels.index(feature.reference) if feature.reference in feature.levels else None
            terms += [(codes == level).astype(np.float64) for level in levels if level != reference]
        elif feature.fill is None:
            terms.append(values)
        else:
            gaps = np.isnan(values)
            terms += [np.where(gaps, feature.fill, values), gaps.astype(np.float64)]
    encoded = np.empty((len(frame), len(terms)), order="F")
    for number, term in enumerate(terms):
        encoded[:, number] = term
    return encoded


def raw(frame: pd.DataFrame, feature: Feature) -> NDArray:
    """Return the input of a saved model for `feature`, `(rows,)`: words, or float64 with NaN for missing values.

    Raises UserError, naming column and row, if the column is absent or has another type.
    """
    values = _values(frame, feature)
    if feature.kind == "category":
        return _words(values)
    if feature.fill is not None and values.isna().all():
        return np.full(len(values), np.nan)
    if values.dtype == object and _is_bool(values):
        values = values.astype("boolean")
    present = values if feature.fill is None else values.dropna()
    require_finite(present, f"column {feature.name!r}")
    if feature.truth:
        _require_truth(present, feature.name)
    return values.to_numpy(np.float64, na_value=np.nan)


def _require_truth(values: pd.Series, name: str) -> None:
    wrong = np.flatnonzero(~values.astype(np.float64).isin([0.0, 1.0]))
    if wrong.size:
        raise UserError(
            f"column {name!r}, row {values.index[wrong[0]] + 1}: expected true or false as in the training rows, got "
            f"{values.iloc[wrong[0]]}"
        )


def _values(frame: pd.DataFrame, feature: Feature) -> pd.Series:
    values = column(frame, feature.column, "")
    if feature.part is not None:
        return part_of_dates(days(_as_written(values, feature), feature.column), feature.part)
    if feature.kind == "category":
        return values
    values = _as_written(values, feature)
    return days(values, feature.name) if feature.kind == "date" else values


def _as_written(values: pd.Series, feature: Feature) -> pd.Series:
    written = feature.written or notation.Notation()
    if notation.is_text(values) and (feature.kind == "number" or written.date is not None):
        return notation.parsed(values, written, feature.column)
    return notation.without_missing(values, written.missing) if feature.kind == "number" else values


def unseen(frame: pd.DataFrame, features: Sequence[Feature]) -> list[str]:
    """Return a sentence for each category with words in `frame` that are not in the training rows."""
    messages = []
    for feature in features:
        if feature.kind == "category":
            new = sorted(set(raw(frame, feature)) - set(feature.levels))
            if new and not feature.other:
                words = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
                messages.append(f"{feature.name}: {words} not in the training rows, taken as {feature.reference}")
    return messages


def _feature(values: pd.Series, rows: NDArray, name: str, is_category: bool) -> tuple[Feature | None, str | None]:
    if values.iloc[rows].isna().all():
        return None, f"{name}: has no value in any training row, left out"
    if is_category:
        return _category(values, rows, name, True)
    if pd.api.types.is_bool_dtype(values) or (values.dtype == object and _is_bool(values)):
        feature, note = _number(values.astype("boolean").astype("Float64"), rows, name, "number", None)
        return replace(feature, truth=True), note
    if pd.api.types.is_numeric_dtype(values):
        return _number(values, rows, name, "number", None)
    return _category(values, rows, name, False)


def _is_date(values: pd.Series, is_category: bool) -> bool:
    return not is_category and not values.isna().all() and is_date(values)


def _dates(
    values: pd.Series, rows: NDArray, name: str, parts: Sequence[DateFeature]
) -> list[tuple[Feature | None, str | None]]:
    """Return features of a column of dates. Nothing is returned if no training row has a date."""
    if values.iloc[rows].isna().all():
        return []
    found: list[tuple[Feature | None, str | None]] = []
    since = days(values, name)
    for part in parts:
        if part == DAYS:
            found.append(_number(since, rows, name, "date", f"{name}: a date, taken as days since 1970"))
            continue
        shown, words = f"{name} {part}", part_of_dates(since, part)
        made = _number(words, rows, shown, "number", None) if part == "year" else _category(words, rows, shown, True)
        feature, note = made
        found.append((feature and replace(feature, of=name, part=part), note))
    return found


def _number(
    values: pd.Series, rows: NDArray, name: str, kind: Literal["number", "date"], note: str | None
) -> tuple[Feature, str | None]:
    gaps = int(values.isna().sum())
    require_finite(values.dropna(), f"column {name!r}")
    if not gaps:
        return Feature(name, kind), note
    fill = float(values.iloc[rows].dropna().astype(np.float64).mean())
    message = f"{name}: missing in {gaps:,} of {len(values):,} rows, filled with the mean; another column marks them"
    return Feature(name, kind, fill=fill), f"{note}; {message}" if note else message


def _category(values: pd.Series, rows: NDArray, name: str, is_requested: bool) -> tuple[Feature | None, str | None]:
    mixed = None if is_requested else _mixture(values, name)
    words = pd.Series(_words(values.iloc[rows]))
    counts = words.value_counts()
    if len(counts) == 1:
        return None, f"{name}: {counts.index[0]} in every training row, left out"
    if not is_requested and len(counts) > max(TEXT_SHARE * len(words), 2):
        return None, f"{name}: {len(counts):,} different words in {len(words):,} rows, text or names, left out"
    levels = sorted(counts[counts >= min(RARE, counts.max())].head(LEVELS).index)
    rare = len(counts) - len(levels)
    combined = f"all but the {LEVELS} commonest" if len(levels) == LEVELS else f"{rare:,} rare words"
    note = f"{name}: {combined} of {len(counts):,} are combined into one level, {name}[{OTHER}]" if rare else None
    many = f"{name}: {len(levels)} levels, each a column of 0 and 1" if len(levels) > MANY_LEVELS else None
    notes = "; ".join(filter(None, [mixed, note or many]))
    return Feature(name, "category", None, tuple(levels), str(counts.index[0]), bool(rare)), notes or None


def _mixture(values: pd.Series, name: str) -> str | None:
    """Return a note if most values are numbers. Raises UserError if nearly all are, so that the others are mistakes."""
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
    return (
        f"{name}: numbers in {is_number.mean():.0%} of the rows and words in the others, such as {present.iloc[at]!r}"
    )


def _words(values: pd.Series) -> NDArray:
    """Return the values as words. Whole numbers have no decimal point, and missing values are MISSING."""
    words = values.astype("string")
    if pd.api.types.is_float_dtype(values):
        is_whole = (values % 1 == 0) & (values.abs() < 2**53)
        words = words.mask(is_whole, values.where(is_whole).astype("Int64").astype("string"))
    return words.fillna(MISSING).to_numpy(object)


def _is_bool(values: pd.Series) -> bool:
    present = values.dropna()
    return len(present) > 0 and bool(present.map(lambda value: isinstance(value, bool | np.bool_)).all())
