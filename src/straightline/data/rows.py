"""Rows of a table, in the form in which all computations take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.families import Family

RowNumbers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows: `features` `(rows, columns)` and `labels` `(rows,)`, float64.

    `weights` `(rows,)` are the weights of the rows; None stands for ones. `offset` `(rows,)` is added to the linear
    predictor; None stands for zeros.
    """

    features: NDArray
    labels: NDArray
    weights: NDArray | None = None
    offset: NDArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def total(self) -> float:
        """The sum of the weights: the number of rows without weights."""
        return len(self.labels) if self.weights is None else float(self.weights.sum())

    def weighted(self, values: NDArray) -> NDArray:
        """Return `values` `(rows, ...)` times the weights of the rows."""
        return values if self.weights is None else (values.T * self.weights).T

    def shifted(self, predictor: NDArray) -> NDArray:
        """Return linear predictors `(rows,)` plus the offset of the rows."""
        return predictor if self.offset is None else predictor + self.offset

    def mean_loss(self, family: Family, prediction: NDArray) -> float:
        """Return the weighted mean loss of the rows, from predictions for the offset 0."""
        return family.mean_loss(self.labels, family.with_offset(prediction, self.offset), self.weights)

    def take(self, numbers: RowNumbers) -> Rows:
        """Return the rows with these numbers. Features in column order in memory keep that order."""
        features = np.take(self.features.T, numbers, axis=1).T
        weights, offset = (None if values is None else values[numbers] for values in (self.weights, self.offset))
        return Rows(features, self.labels[numbers], weights, offset)

    def part(self, first: int, end: int) -> Rows:
        """Return the rows from number `first` up to the one before `end`, without copying them."""
        weights, offset = (None if values is None else values[first:end] for values in (self.weights, self.offset))
        return Rows(self.features[first:end], self.labels[first:end], weights, offset)


def joined(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts in one object, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        _concatenated([part.weights for part in parts]),
        _concatenated([part.offset for part in parts]),
    )


def _concatenated(parts: Sequence[NDArray | None]) -> NDArray | None:
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays) if arrays else None
