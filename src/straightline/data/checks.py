"""What is odd about a table, and may make the answer misleading."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.check import Check
from straightline.families import Family, family_of
from straightline.families.target import Target
from straightline.formatting import listed

ALIKE = 0.9999  # Two columns with a larger absolute correlation are nearly the same.
INVOLVED = 0.1  # A column takes part in a collinear combination if its weight in the unit vector is larger.
SHOWN = 5  # The largest number of columns, or of pairs of columns, that checks name.


def checks(
    table: pd.DataFrame,
    targets: Mapping[str, Target],
    divided_by: str = "chance",
    dates: Sequence[str] = (),
    extra: pd.DataFrame | None = None,
    written_out: bool = False,
) -> list[Check]:
    """Return what is odd about the columns of `table`, which are all numbers, and about its targets.

    `divided_by` says how the rows are divided: by `chance`, in `groups`, or by `time`. The columns `dates` are days,
    so that a different number in every row does not make them row numbers. The columns of `extra`, such as weights,
    belong to the rows, but are not predicted from. Cases `written_out` from a cross-table are alike, one after another.
    """
    columns = [target.column for target in targets.values()]
    features = table.drop(columns=columns)
    whole = table if extra is None else pd.concat([table, extra], axis=1)
    found = [*([] if written_out else _row_checks(whole, features)), *_column_checks(features, dates)]
    for target in targets.values():
        values = table[target.column].to_numpy(np.float64)
        found += _target_checks(features, values, target)
        found += _order_checks(values, target) if divided_by == "chance" and not written_out else []
    return found


def _row_checks(table: pd.DataFrame, features: pd.DataFrame) -> list[Check]:
    found = []
    if count := int(table.duplicated().sum()):
        message = (
            f"{count:,} of {len(table):,} rows repeat another row; copies in different folds make the models look "
            "better than they are"
        )
        found.append(Check("duplicates", message, advice="remove copies of the same case"))
    if len(table) <= features.shape[1]:
        message = f"only {len(table):,} rows for {features.shape[1]:,} columns"
        found.append(Check("few-rows", message, advice="leave columns out"))
    return found


def _column_checks(features: pd.DataFrame, dates: Sequence[str]) -> list[Check]:
    values = features.to_numpy(np.float64)
    constant = values.min(axis=0) == values.max(axis=0)
    found = []
    if constant.any():
        found.append(Check("constant", "the same in every row", tuple(features.columns[constant])))
    others = features.drop(columns=list(dates))
    if counters := [name for name, column in others.items() if _is_row_number(column.to_numpy())]:
        message = "a different whole number in every row, like a row number"
        found.append(Check("row-number", message, tuple(map(str, counters)), "exclude it if it is one"))
    varied = features.loc[:, ~constant]
    for pair in _alike(varied.to_numpy(np.float64)):
        found.append(Check("alike", "nearly the same", tuple(varied.columns[list(pair)]), "keep one of them"))
    if collinear := _collinear(varied.to_numpy(np.float64)):
        columns = tuple(varied.columns[collinear])
        found.append(Check("collinear", "nearly collinear", columns, "leave one of them out"))
    return found


def _is_row_number(values: NDArray) -> bool:
    whole = len(values) > 20 and bool((values == np.round(values)).all())
    return whole and bool(np.ptp(values) == len(values) - 1 and len(np.unique(values)) == len(values))


def _alike(values: NDArray) -> list[tuple[int, int]]:
    """Return the indices of pairs of columns that are nearly the same, at most SHOWN pairs."""
    if values.shape[1] < 2 or len(values) < 3:
        return []
    alike = np.abs(np.corrcoef(values, rowvar=False)) > ALIKE
    return [(int(first), int(second)) for first, second in zip(*np.nonzero(np.triu(alike, 1)), strict=True)][:SHOWN]


def _collinear(values: NDArray) -> list[int]:
    """Return the indices of the columns in nearly collinear combinations of three or more columns."""
    if values.shape[1] < 3 or len(values) <= values.shape[1]:
        return []
    sizes, directions = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    involved = np.abs(directions[:, sizes < 1 - ALIKE**2]) > INVOLVED
    return [int(column) for column in np.flatnonzero(involved[:, involved.sum(axis=0) > 2].any(axis=1))]


def _target_checks(features: pd.DataFrame, values: NDArray, target: Target) -> list[Check]:
    family, name = family_of(target), target.column
    found = family.checks(values, target)
    if leaks := [name for name, column in features.items() if _determines(column.to_numpy(np.float64), values, family)]:
        message = f"{listed(leaks)} alone determines it"
        found.append(Check("leak", message, (name,), f"is it known before {name} is?"))
    return found


def _order_checks(values: NDArray, target: Target) -> list[Check]:
    correlation = _neighbour_correlation(values)
    if correlation <= 4 / math.sqrt(len(values)):
        return []
    return [
        Check(
            "ordered",
            f"neighbouring rows are alike (correlation {correlation:.2f})",
            (target.column,),
            "if rows are ordered by time or by group, random folds make the models look better than they are: divide "
            "rows by time (data.split=time) or by group (data.groups)",
        )
    ]


def _determines(values: NDArray, labels: NDArray, family: Family) -> bool:
    return bool(np.ptp(values) > 0) and family.is_determined_by(values, labels)


def _neighbour_correlation(values: NDArray) -> float:
    if len(values) < 30:
        return 0.0
    ranks = stats.rankdata(values)  # Ranks limit the influence of a few large values.
    return float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) if min(np.ptp(ranks[1:]), np.ptp(ranks[:-1])) > 0 else 0.0
