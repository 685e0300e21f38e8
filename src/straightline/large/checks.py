"""What is odd about the encoded columns and the labels of a large table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.check import Check
from straightline.data import encoding
from straightline.data.checks import correlation_checks, leak_checks, order_checks, row_number_checks
from straightline.data.schema import Schema
from straightline.families import family_of
from straightline.large.statistics import column_statistics, leaking_columns
from straightline.runtime.steps import step

NEIGHBOURS, STRETCH = 2**18, 2**13  # Whether neighbouring rows are alike is seen in so many rows.


def _stretches(values: NDArray) -> NDArray:
    """Return evenly spaced stretches of neighbouring rows, at most NEIGHBOURS rows in all."""
    if len(values) <= NEIGHBOURS:
        return values
    starts = np.linspace(0, len(values) - STRETCH, NEIGHBOURS // STRETCH).astype(int)
    return np.concatenate([values[start : start + STRETCH] for start in starts])


def encoded_checks(
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
