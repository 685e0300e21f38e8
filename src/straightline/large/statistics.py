"""Means, deviations and correlations of the encoded columns of a large table, and columns that determine a target."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from straightline.data.checks import determines
from straightline.data.schema import Schema
from straightline.large.passes import reduced
from straightline.large.table import LargeTable, Leaf, large_table


@dataclass(frozen=True, eq=False)
class Statistics:
    """The number of rows, and sums and products of the columns `names` minus their `center`."""

    names: list[str]
    rows: int
    sums: NDArray
    products: NDArray

    @property
    def deviations(self) -> NDArray:
        """The standard deviations of the columns, 0 for constant ones."""
        variances = np.diag(self.products) / self.rows - (self.sums / self.rows) ** 2
        return np.sqrt(np.where(variances > 1e-14 * np.diag(self.products) / self.rows, variances, 0.0))

    @property
    def correlations(self) -> NDArray:
        """The correlations of the columns that are not constant."""
        varied = self.deviations > 0
        means = self.sums[varied] / self.rows
        covariances = self.products[np.ix_(varied, varied)] / self.rows - np.outer(means, means)
        deviations = self.deviations[varied]
        return np.asarray(covariances / np.outer(deviations, deviations))


def column_statistics(root: Path, schema: Schema) -> Statistics:
    """Return the statistics of the encoded training rows below `root`."""
    table = replace(large_table(root, next(iter(schema.targets)), schema), weights=None)
    center = table.read(table.leaves[0]).rows.features.mean(axis=0)
    rows, sums, products = reduced(table, partial(_sums, table, center), _added, "columns of the training rows")
    return Statistics(table.names, rows, sums, products)


def _sums(table: LargeTable, center: NDArray, leaf: Leaf) -> tuple[int, NDArray, NDArray]:
    features = table.read(leaf).rows.features - center
    return len(features), features.sum(axis=0), features.T @ features


def _added(first: tuple[int, NDArray, NDArray], second: tuple[int, NDArray, NDArray]) -> tuple[int, NDArray, NDArray]:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def leaking_columns(root: Path, schema: Schema, target: str) -> list[str]:
    """Return the encoded columns that alone determine the target in all training rows.

    A column that does not in the first rows needs no further look.
    """
    table = large_table(root, target, schema)
    rows = table.read(table.leaves[0]).rows
    if np.ptp(rows.labels) == 0:
        return []
    names = [
        (name, number)
        for number, name in enumerate(table.names)
        if determines(rows.features[:, number], rows.labels, table.family)
    ]
    return [name for name, number in names if _determines_all(table, number)]


def _determines_all(table: LargeTable, number: int) -> bool:
    parts = []
    for leaf in table.leaves:
        rows = table.read(leaf).rows
        parts.append((rows.features[:, number].copy(), rows.labels))
    values, labels = map(np.concatenate, zip(*parts, strict=True))
    return determines(values, labels, table.family)
