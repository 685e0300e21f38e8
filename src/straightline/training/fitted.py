"""The result of a replica, and the course of its losses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.data.scaling import Scaling
from straightline.errors import UserError
from straightline.training.stack import Weights


@dataclass(frozen=True)
class Fitted:
    """The result of a replica: the weights of its best epoch, and the losses of every epoch that it ran.

    `weights` are those of the plain model, which maps scaled columns to the scaled target. `best_epoch` counts from 1.
    The losses, one per epoch, are in the units of the target. `losses` are means over the batches of an epoch, computed
    while the weights change. `monitored` are means over the rows that decide when to stop, computed with the weights at
    the end of the epoch. `steps` is the number of optimizer steps.

    `diverged` is the epoch whose loss was not finite, which ended the replica, or None. If that was the first epoch,
    `best_epoch` is 0 and `weights` are the initial weights. `frozen` are the fixed weights of the regression that the
    replica starts from, if there is one. In that case the initial weights compete too: `best_epoch` is 0 if no epoch
    was better.
    """

    weights: Weights
    frozen: Weights
    scaling: Scaling
    best_epoch: int
    losses: NDArray
    monitored: NDArray
    steps: int
    diverged: int | None

    @property
    def best_loss(self) -> float:
        """The monitored loss of the best epoch, or inf if no epoch was better than the initial weights."""
        return float(self.monitored[self.best_epoch - 1]) if self.best_epoch else np.inf


def course(losses: NDArray, patience: int, initial_loss: float = np.inf) -> tuple[int, int, bool]:
    """Return the epoch that ended a replica, its best epoch, and whether it diverged.

    The rules are those of `Program.advance`. `losses` `(2, epochs)`, on the batches and on the monitored rows, may
    include epochs after the end. `initial_loss` is the monitored loss of the initial weights if they compete.
    """
    finite = np.isfinite(losses).all(axis=0)
    monitored = np.where(finite, losses[1], np.inf)
    epochs = np.arange(1, len(monitored) + 1)
    better = monitored < np.minimum.accumulate(np.append(initial_loss, monitored[:-1]))
    best = np.maximum.accumulate(np.where(better, epochs, 0))
    ends = ~finite | (epochs - best >= patience)
    ended = int(np.argmax(ends)) if ends.any() else len(epochs) - 1
    return ended + 1, int(best[ended]), not finite[ended]


def divergences(fits: Sequence[tuple[str, Fitted]]) -> list[str]:
    """Return a message for each fit that ended in a loss that is not finite. `fits` are pairs of name and result.

    Raises UserError if such a fit has no earlier epoch, and no regression to start from.
    """
    diverged = [(place, fitted) for place, fitted in fits if fitted.diverged]
    hopeless = [place for place, fitted in diverged if not fitted.best_epoch and not fitted.frozen]
    if hopeless:
        raise UserError(
            f"training diverged: in {len(hopeless)} of {len(fits)} fits the loss is not finite in the first epoch, "
            f"first in {hopeless[0]}; set a smaller learning_rate, or check the columns for extreme values"
        )
    return [
        f"{place}: the loss is not finite at epoch {fitted.diverged}, so the weights of epoch {fitted.best_epoch} are "
        "kept; a smaller learning_rate may help"
        for place, fitted in diverged
    ]
