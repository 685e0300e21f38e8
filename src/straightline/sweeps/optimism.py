"""How far the loss of a selected config is below what the selection deserves."""

import numpy as np
from numpy.typing import NDArray

BOOTSTRAPS = 1000


def optimism(losses: NDArray, seed: int) -> float:
    """Return how far the lowest mean of `losses` `(configs, folds)` is too low because it was selected, at least 0.

    This is the bias that bootstrap bias corrected cross-validation removes (BBC-CV, Tsamardinos et al. 2018, section
    3). In each bootstrap sample, the config with the lowest loss is scored on what the sample left out. The paper draws
    rows; here folds are drawn, since a sweep keeps the loss of each fold only. A sample has fewer different folds than
    the sweep, so its choice is poorer, and the result rather too large than too small.
    """
    folds = losses.shape[1]
    drawn = np.random.default_rng(seed).multinomial(folds, np.full(folds, 1 / folds), BOOTSTRAPS)
    left_out = (drawn == 0)[(drawn == 0).any(axis=1)]
    drawn = drawn[(drawn == 0).any(axis=1)]
    relative = losses - losses.mean(axis=0)  # All configs share the difficulty of a fold.
    best = (relative @ drawn.T).argmin(axis=0)
    scored = (relative[best] * left_out).sum(axis=1) / left_out.sum(axis=1)
    return max(float(scored.mean() - relative.mean(axis=1).min()), 0.0)
