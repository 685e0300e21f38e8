"""What differs between the replicas of a fit: their scaling, learning rate, penalty, patience and regression."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data import scaling
from straightline.data.passes import Pass, one_pass
from straightline.data.rows import RowNumbers
from straightline.data.scaling import Scaling
from straightline.data.source import Source
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
    replicas: Sequence[Replica], scalings: Sequence[Scaling], others: NDArray, settings: Settings, dtype: str
) -> LaneValues:
    """Return the numbers of each replica; `scalings` are relative to the scaling of all rows.

    `others` `(replicas, others)` are the scales of the table's columns of weights and offsets, if it has any.
    """
    center, scale = scaling.stacked(scalings, others, dtype)
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


def mean_weights(source: Source, row_sets: Sequence[RowNumbers]) -> NDArray:
    """Return the mean of the weights of each set of rows, `(row sets,)`: 1 without weights, or without rows."""
    if not source.has_weights:
        return np.ones(len(row_sets))
    different = {id(rows): rows for rows in row_sets if len(rows)}
    sums = one_pass(source, list(different.values()), [Pass(lambda rows: rows.total, operator.add)] * len(different))
    means = {key: total / len(different[key]) for key, total in zip(different, sums, strict=True)}
    return np.array([means.get(id(rows), 1.0) for rows in row_sets])


def other_scales(source: Source, weight_scales: NDArray) -> NDArray:
    """Return the scales of the columns of weights and offsets, `(replicas, others)`.

    `weight_scales` `(replicas,)` give the rows that a replica trains on weights with the mean 1, so that a weight
    counts as so many copies of its row.
    """
    replicas = len(weight_scales)
    columns = [weight_scales] * source.has_weights + [np.ones(replicas)] * source.has_offset
    return np.column_stack([np.empty((replicas, 0)), *columns])
