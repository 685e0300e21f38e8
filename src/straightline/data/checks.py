"""What a table's owner may want to know before believing an answer."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.families import FAMILIES, Family
from straightline.families.target import Target

ALIKE = 0.9999  # correlation from which on two columns are told to be nearly the same
INVOLVED = 0.1  # weight, of a unit vector, from which on a column takes part in what is collinear
SHOWN = 5  # columns in a warning


def warnings(table: pd.DataFrame, targets: Mapping[str, Target], divided_by: str = "chance") -> list[str]:
    """Return a sentence for each thing that is odd about the columns of `table`, all numbers, and its targets.

    `divided_by` is how its rows are divided: by `chance`, in `groups`, or by `time`.
    """
    columns = [target.column for target in targets.values()]
    features = table.drop(columns=columns)
    told = [*_rows(table, features), *_columns(features)]
    for target in targets.values():
        values = table[target.column].to_numpy(np.float64)
        told += _target(features, values, target)
        told += _order(values, target) if divided_by == "chance" else []
    return told


def _rows(table: pd.DataFrame, features: pd.DataFrame) -> list[str]:
    told = []
    if count := int(table.duplicated().sum()):
        told.append(
            f"{count:,} of {len(table):,} rows repeat another one; copies in other folds make the models look good"
        )
    if len(table) <= features.shape[1]:
        told.append(f"{len(table):,} rows are no more than the {features.shape[1]:,} columns; leave columns out")
    return told


def _columns(features: pd.DataFrame) -> list[str]:
    values = features.to_numpy(np.float64)
    constant = values.min(axis=0) == values.max(axis=0)
    told = []
    if constant.any():
        told.append(f"{_listed(features.columns[constant])}: the same in every row")
    if counting := [name for name, own in features.items() if _counts(own.to_numpy())]:
        told.append(
            f"{_listed(counting)}: another whole number in every row, as numbers of rows are; exclude it if it is"
        )
    varied = features.loc[:, ~constant]
    for one, other in _alike(varied.to_numpy(np.float64)):
        told.append(f"{varied.columns[one]} and {varied.columns[other]}: nearly the same; keep one of them")
    if several := _dependent(varied.to_numpy(np.float64)):
        told.append(f"{_listed(varied.columns[several])}: nearly weighted sums of one another; leave one of them out")
    return told


def _counts(values: NDArray) -> bool:
    whole = len(values) > 20 and bool((values == np.round(values)).all())
    return whole and bool(np.ptp(values) == len(values) - 1 and len(np.unique(values)) == len(values))


def _alike(values: NDArray) -> list[tuple[int, int]]:
    if values.shape[1] < 2 or len(values) < 3:
        return []
    close = np.abs(np.corrcoef(values, rowvar=False)) > ALIKE
    return [(int(one), int(other)) for one, other in zip(*np.nonzero(np.triu(close, 1)), strict=True)][:SHOWN]


def _dependent(values: NDArray) -> list[int]:
    """Return which columns are close to collinear, beyond two that are alike."""
    if values.shape[1] < 3 or len(values) <= values.shape[1]:
        return []
    sizes, directions = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    involved = np.abs(directions[:, sizes < 1 - ALIKE**2]) > INVOLVED
    return [int(column) for column in np.flatnonzero(involved[:, involved.sum(axis=0) > 2].any(axis=1))]


def _target(features: pd.DataFrame, values: NDArray, target: Target) -> list[str]:
    family = FAMILIES[target.family]
    told = family.warnings(values, target)
    if sure := [name for name, own in features.items() if _determines(own.to_numpy(np.float64), values, family)]:
        told.append(f"{target.column}: {_listed(sure)} alone determines it; is it known before {target.column} is?")
    return told


def _order(values: NDArray, target: Target) -> list[str]:
    alike = _neighbours(values)
    if alike <= 4 / math.sqrt(len(values)):
        return []
    return [
        f"{target.column}: neighbouring rows are alike (correlation {alike:.2f}); if they are ordered by time or by "
        "group, folds drawn by chance make the models look good: divide them by it (data.split=time, data.groups)"
    ]


def _determines(values: NDArray, labels: NDArray, family: Family) -> bool:
    return bool(np.ptp(values) > 0) and family.is_determined_by(values, labels)


def _neighbours(values: NDArray) -> float:
    if len(values) < 30:
        return 0.0
    ranks = stats.rankdata(values)  # so that a few large values decide nothing
    return float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) if min(np.ptp(ranks[1:]), np.ptp(ranks[:-1])) > 0 else 0.0


def _listed(names: Iterable[object]) -> str:
    every = [str(name) for name in names]
    more = f" and {len(every) - SHOWN:,} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
