"""Successive halving: the poorer candidates are dropped before their training ends.

Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", algorithm 1. All
candidates train on one schedule, so that a candidate that stays is trained as it would be without the others.
"""

import numpy as np
from numpy.typing import NDArray

RUNGS = (1 / 8, 1 / 4, 1 / 2)  # shares of the epochs after which the poorer half of the candidates is dropped


class Halving:
    """Decides which replicas of a fit go on. A call is the argument `drop` of `fit.fit`.

    Replica r belongs to the candidate `candidates[r]` of the rows `row_sets[r]`, and is monitored on `rows[r]` rows;
    all three are `(replicas,)`. Candidates compete within a set of rows.
    """

    def __init__(self, row_sets: NDArray, candidates: NDArray, rows: NDArray, epochs: int) -> None:
        self._row_sets, self._candidates, self._rows = row_sets, candidates, rows
        self._rungs = [max(round(share * epochs), 1) for share in RUNGS if epochs > 1]
        self._alive = np.ones((row_sets.max() + 1, candidates.max() + 1), bool)

    def __call__(self, monitored: NDArray) -> NDArray:
        """Return which replicas end now, from the monitored losses so far, `(replicas, epochs)`."""
        while self._rungs and monitored.shape[1] >= self._rungs[0]:
            seen = monitored[:, : self._rungs.pop(0)]
            losses = self.pooled(np.where(np.isfinite(seen), seen, np.inf).min(axis=1))
            staying = -(-self._alive.sum(axis=1) // 2)
            order = np.argsort(np.argsort(losses, axis=1, kind="stable"), axis=1)
            self._alive &= order < staying[:, np.newaxis]
        return np.asarray(~self._alive[self._row_sets, self._candidates])

    def pooled(self, best: NDArray) -> NDArray:
        """Return the loss of each candidate on all monitored rows of each set, `(row sets, candidates)`.

        `best` `(replicas,)` are the losses of the best epochs. A candidate that was dropped has the loss inf.
        """
        losses, rows = np.zeros(self._alive.shape), np.zeros(self._alive.shape)
        np.add.at(losses, (self._row_sets, self._candidates), best * self._rows)
        np.add.at(rows, (self._row_sets, self._candidates), self._rows)
        return np.where(self._alive, losses / rows, np.inf)
