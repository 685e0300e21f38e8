"""Encode the columns of a table (numbers, words, dates, missing values) as numbers for models, with their names."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.data import notation
from straightline.data.columns import column, days, part_of_dates
from straightline.data.schema import Feature
from straightline.errors import UserError
from straightline.families.numbers import require_finite

MISSING = "(missing)"
SHOWN = 5  # The largest number of columns that an error names.


def raise_if_any(problems: Sequence[str]) -> None:
    """Raise UserError with the first `problems`, and the number of the others, if there are any."""
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
    raise_if_any(problems)


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
    raise_if_any(problems)
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
        return words(values)
    if feature.fill is not None and values.isna().all():
        return np.full(len(values), np.nan)
    if values.dtype == object and is_bool(values):
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


def without_percent_signs(frame: pd.DataFrame, features: Sequence[Feature]) -> list[str]:
    """Return a sentence for each column that had percent signs in training and has none in new rows."""
    return [
        f"{feature.name}: has no percent signs, which the training rows had; 0.05 is taken as 0.05 %, not as 5 %"
        for feature in features
        if feature.written is not None and feature.written.unit == "%" and not notation.is_text(frame[feature.column])
    ]


def unseen(frame: pd.DataFrame, features: Sequence[Feature]) -> list[Check]:
    """Return a check for each category with words in `frame` that are not in the training rows."""
    found = []
    for feature in features:
        if feature.kind == "category":
            new = sorted(set(raw(frame, feature)) - set(feature.levels))
            if new and not feature.other:
                words = ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
                message = f"{words} not in the training rows, taken as {feature.reference}"
                found.append(Check("new-words", message, (feature.name,)))
    return found


def words(values: pd.Series) -> NDArray:
    """Return the values as words, `(rows,)`. Whole numbers have no decimal point, and missing values are MISSING."""
    if isinstance(values.dtype, pd.CategoricalDtype):  # Each category becomes a word once.
        of_categories = words(pd.Series(values.cat.categories))
        return np.append(of_categories, MISSING).astype(object)[values.cat.codes.to_numpy()]
    found = values.astype("string")
    if pd.api.types.is_float_dtype(values):
        is_whole = (values % 1 == 0) & (values.abs() < 2**53)
        found = found.mask(is_whole, values.where(is_whole).astype("Int64").astype("string"))
    return found.fillna(MISSING).to_numpy(object)


def word_counts(values: pd.Series) -> pd.Series:
    """Return in how many rows each word is, the commonest first."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return pd.Series(words(values)).value_counts()
    codes = values.cat.codes.to_numpy()
    counts = np.bincount(codes + 1, minlength=1 + len(values.cat.categories))
    names = np.append([MISSING], words(pd.Series(values.cat.categories))).astype(object)
    found = pd.Series(counts, names).groupby(level=0, sort=False).sum()
    return found[found > 0].sort_values(ascending=False, kind="stable")


def is_bool(values: pd.Series) -> bool:
    """Return whether all present values of a column of objects are True or False, and there is one."""
    present = values.dropna()
    return len(present) > 0 and bool(present.map(lambda value: isinstance(value, bool | np.bool_)).all())
