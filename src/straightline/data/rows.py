"""Rows of a table as they travel to everything that is computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RowNumbers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows: `features` `(rows, columns)` and `labels` `(rows,)`, float64.

    `weights` `(rows,)` say how much a row counts, `offset` `(rows,)` is added to its linear predictor; None stands for
    ones and for zeros.
    """

    features: NDArray
    labels: NDArray
    weights: NDArray | None = None
    offset: NDArray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, numbers: RowNumbers) -> Rows:
        """Return the rows of these numbers, features by column in memory where they are so here."""
        features = np.take(self.features.T, numbers, axis=1).T
        return Rows(
            features, self.labels[numbers], *(_taken(values, numbers) for values in (self.weights, self.offset))
        )


def joined(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        _concatenated([part.weights for part in parts]),
        _concatenated([part.offset for part in parts]),
    )


def _taken(values: NDArray | None, numbers: RowNumbers) -> NDArray | None:
    return None if values is None else values[numbers]


def _concatenated(parts: Sequence[NDArray | None]) -> NDArray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None
