"""Messages from a computation to the process that publishes it to MLflow. This module does not import MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import NDArray


@dataclass(frozen=True)
class Losses:
    """Losses `(epochs,)` of the final model, for the epochs after `first`; `val_loss` is None for a regression."""

    first: int
    loss: NDArray
    val_loss: NDArray | None


@dataclass(frozen=True)
class Finished:
    """The end of a training; `history` is the MD5 of its history.csv."""

    history: str


@dataclass(frozen=True)
class Conclusion:
    """The end of a sweep: its `status` in MLflow, and the metrics of the winner, or None if there is no winner."""

    status: str
    metrics: Mapping[str, float] | None
