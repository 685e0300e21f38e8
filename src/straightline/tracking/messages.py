"""What a computation sends to the process that publishes it to MLflow; needs no MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import NDArray


@dataclass(frozen=True)
class Losses:
    """Losses of the final model's epochs after `first`, `(epochs,)`; `val_loss` is None for a regression."""

    first: int
    loss: NDArray
    val_loss: NDArray | None


@dataclass(frozen=True)
class Finished:
    """The end of a training whose history.csv has the MD5 `history`."""

    history: str


@dataclass(frozen=True)
class Conclusion:
    """How a sweep ended, as MLflow calls it, and the metrics of the winner, None where there is no winner."""

    status: str
    metrics: Mapping[str, float] | None
