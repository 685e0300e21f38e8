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
        found += order_checks(values, target) if divided_by == "chance" and not written_out else []
    return found


def _row_checks(table: pd.DataFrame, features: pd.DataFrame) -> list[Check]:
    found = duplicate_checks(int(table.duplicated().sum()), len(table))
    if len(table) <= features.shape[1]:
        message = f"only {len(table):,} rows for {features.shape[1]:,} columns"
        found.append(Check("few-rows", message, advice="leave columns out"))
    return found


def duplicate_checks(count: int, rows: int) -> list[Check]:
    """Return a check if `count` of the rows repeat another one."""
    if not count:
        return []
    message = (
        f"{count:,} of {rows:,} rows repeat another row; copies in different folds make the models look better than "
        "they are"
    )
    return [Check("duplicates", message, advice="remove copies of the same case")]


def _column_checks(features: pd.DataFrame, dates: Sequence[str]) -> list[Check]:
    values = features.to_numpy(np.float64)
    constant = values.min(axis=0) == values.max(axis=0)
    found = constant_checks(features.columns[constant])
    others = features.drop(columns=list(dates))
    counters = [str(name) for name, column in others.items() if is_row_number(column.to_numpy())]
    found += row_number_checks(counters)
    varied = features.loc[:, ~constant]
    if varied.shape[1] < 2 or len(varied) < 3:
        return found
    return found + correlation_checks(
        np.corrcoef(varied.to_numpy(np.float64), rowvar=False), varied.columns, len(varied)
    )


def constant_checks(names: pd.Index) -> list[Check]:
    """Return a check of the columns `names`, if there are any, which are constant."""
    return [Check("constant", "the same in every row", tuple(names))] if len(names) else []


def row_number_checks(names: Sequence[str]) -> list[Check]:
    """Return a check of the columns `names`, if there are any, which look like row numbers."""
    message = "a different whole number in every row, like a row number"
    return [Check("row-number", message, tuple(names), "exclude it if it is one")] if names else []


def correlation_checks(correlations: NDArray, names: pd.Index, rows: int) -> list[Check]:
    """Return checks of columns that are nearly the same, or nearly collinear, from their `correlations`."""
    found = [
        Check("alike", "nearly the same", tuple(names[list(pair)]), "keep one of them") for pair in _alike(correlations)
    ]
    if collinear := _collinear(correlations, rows):
        found.append(Check("collinear", "nearly collinear", tuple(names[collinear]), "leave one of them out"))
    return found


def is_row_number(values: NDArray) -> bool:
    """Return whether a column has a different whole number in every row, without a gap between them."""
    whole = len(values) > 20 and bool((values == np.round(values)).all())
    return whole and bool(np.ptp(values) == len(values) - 1 and len(np.unique(values)) == len(values))


def _alike(correlations: NDArray) -> list[tuple[int, int]]:
    """Return the indices of pairs of columns that are nearly the same, at most SHOWN pairs."""
    alike = np.abs(correlations) > ALIKE
    return [(int(first), int(second)) for first, second in zip(*np.nonzero(np.triu(alike, 1)), strict=True)][:SHOWN]


def _collinear(correlations: NDArray, rows: int) -> list[int]:
    """Return the indices of the columns in nearly collinear combinations of three or more columns."""
    if len(correlations) < 3 or rows <= len(correlations):
        return []
    sizes, directions = np.linalg.eigh(correlations)
    involved = np.abs(directions[:, sizes < 1 - ALIKE**2]) > INVOLVED
    return [int(column) for column in np.flatnonzero(involved[:, involved.sum(axis=0) > 2].any(axis=1))]


def _target_checks(features: pd.DataFrame, values: NDArray, target: Target) -> list[Check]:
    family = family_of(target)
    leaks = [str(name) for name, column in features.items() if determines(column.to_numpy(np.float64), values, family)]
    return [*family.checks(values, target), *leak_checks(leaks, target)]


def leak_checks(leaks: Sequence[str], target: Target) -> list[Check]:
    """Return a check of the columns `leaks`, if there are any, each of which alone determines the target."""
    if not leaks:
        return []
    name = target.column
    return [Check("leak", f"{listed(leaks)} alone determines it", (name,), f"is it known before {name} is?")]


def order_checks(values: NDArray, target: Target) -> list[Check]:
    """Return a check if neighbouring rows have similar labels, as rows in the order of time do."""
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


def determines(values: NDArray, labels: NDArray, family: Family) -> bool:
    """Return whether a column, which may be constant, alone determines the labels."""
    return bool(np.ptp(values) > 0) and family.is_determined_by(values, labels)


def _neighbour_correlation(values: NDArray) -> float:
    if len(values) < 30:
        return 0.0
    ranks = stats.rankdata(values)  # Ranks limit the influence of a few large values.
    return float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) if min(np.ptp(ranks[1:]), np.ptp(ranks[:-1])) > 0 else 0.0
