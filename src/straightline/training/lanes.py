"""What differs between the replicas of a fit: their scaling, learning rate, penalty, patience and regression."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data import scaling
from straightline.data.rows import RowNumbers
from straightline.data.scaling import Scaling
from straightline.data.source import Pass, Source, one_pass
from straightline.training.batches import Replica
from straightline.training.stack import Weights
from straightline.training.state import Settings


@dataclass(frozen=True)
class LaneValues:
    """The numbers that differ between replicas, as arrays whose first axis is the replica (see `StackRows`)."""

    center: NDArray
    scale: NDArray
    rates: NDArray
    penalties: NDArray
    patience: NDArray


def lane_values(
    replicas: Sequence[Replica], scalings: Sequence[Scaling], settings: Settings, dtype: str, others: int
) -> LaneValues:
    """Return the numbers of each replica; `scalings` are relative to the scaling of all rows.

    `others` is the number of columns of the table that are not scaled.
    """
    center, scale = scaling.stacked(scalings, dtype, others)
    patience = [settings.patience if len(replica.validation) else settings.epochs for replica in replicas]
    return LaneValues(
        center,
        scale,
        rates=_column([replica.learning_rate for replica in replicas], settings.learning_rate, dtype),
        penalties=_column([replica.l2 for replica in replicas], settings.l2, dtype),
        patience=np.array(patience, np.int32),
    )


def _column(values: Sequence[float | None], default: float, dtype: str) -> NDArray:
    """Return the values, or `default` for None, as `(replicas, 1, 1)`."""
    return np.array([default if value is None else value for value in values], dtype)[:, np.newaxis, np.newaxis]


def frozen_weights(replicas: Sequence[Replica], scalings: Sequence[Scaling], dtype: str) -> Weights:
    """Return the stacked kernel and bias of the regressions that the replicas start from, or nothing without them.

    They map scaled columns to the scaled target.
    """
    lines = [
        each.scaled(replica.line) for replica, each in zip(replicas, scalings, strict=True) if replica.line is not None
    ]
    if not lines:
        return []
    joined = np.stack([line.reshape(len(line), -1) for line in lines]).astype(dtype)
    return [joined[:, 1:], joined[:, :1]]


def scalings_of(source: Source, replicas: Sequence[Replica], settings: Settings) -> list[Scaling]:
    """Return the scaling by all rows, then the scaling by the training rows of each replica."""
    if not settings.standardize:
        return [scaling.unscaled(source.columns)] * (1 + len(replicas))
    row_sets = [np.arange(source.rows, dtype=np.int32), *(replica.train for replica in replicas)]
    different = {id(rows): rows for rows in row_sets}  # the seeds of a fold share one array of rows
    moments = one_pass(source, list(different.values()), [Pass(scaling.moments, scaling.joined)] * len(different))
    offset_center = float(np.log(moments[0].exposure_mean))
    scalings = {
        key: scaling.standardization(row_moments, settings.family, settings.center, offset_center)
        for key, row_moments in zip(different, moments, strict=True)
    }
    return [scalings[id(rows)] for rows in row_sets]


def weight_totals(source: Source, row_sets: Sequence[RowNumbers]) -> NDArray:
    """Return the sum of the weights of each set of rows, `(row sets,)`: the numbers of rows without weights."""
    if not source.has_weights:
        return np.array([float(len(rows)) for rows in row_sets])
    different = {id(rows): rows for rows in row_sets if len(rows)}
    sums = one_pass(source, list(different.values()), [Pass(lambda rows: rows.total, operator.add)] * len(different))
    totals = dict(zip(different, sums, strict=True))
    return np.array([totals.get(id(rows), 0.0) for rows in row_sets])
