"""How columns and target are scaled for descent, and how several scalings are stacked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scaling:
    """What was taken from the columns and the target, and what they were divided by: float64, `(columns,)` and one."""

    center: NDArray
    scale: NDArray
    target_center: float
    target_scale: float


def unscaled(columns: int) -> Scaling:
    """Return the scaling that changes nothing."""
    return Scaling(np.zeros(columns), np.ones(columns), 0.0, 1.0)


def standardization(features: NDArray, labels: NDArray, scale_target: bool) -> Scaling:
    """Return the means and standard deviations of `features` `(rows, columns)`, and those of `labels` if asked for.

    What does not vary is divided by one.
    """
    center, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-12 * np.abs(center), deviation, 1.0)
    if not scale_target:
        return Scaling(center, scale, 0.0, 1.0)
    return Scaling(center, scale, float(labels.mean()), float(labels.std()) or 1.0)


def relative(scaling: Scaling, overall: Scaling) -> Scaling:
    """Return the scaling that takes what `overall` has scaled to what `scaling` would have."""
    return Scaling(
        (scaling.center - overall.center) / overall.scale,
        scaling.scale / overall.scale,
        (scaling.target_center - overall.target_center) / overall.target_scale,
        scaling.target_scale / overall.target_scale,
    )


def stacked(scalings: Sequence[Scaling], dtype: Any) -> tuple[NDArray, NDArray]:
    """Return centers and scales of the columns and, last, the target, as `(replicas, 1, columns + 1)`."""
    centers = [np.append(scaling.center, scaling.target_center) for scaling in scalings]
    scales = [np.append(scaling.scale, scaling.target_scale) for scaling in scalings]
    return np.stack(centers)[:, np.newaxis].astype(dtype), np.stack(scales)[:, np.newaxis].astype(dtype)
