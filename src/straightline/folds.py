"""Who trains on what: held-out rows, repeated folds, and the rows set aside for early stopping."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, train_test_split

from straightline.errors import UserError

Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Fold:
    """Row numbers that a fold trains on and is scored on."""

    repeat: int
    fold: int
    train: Rows
    test: Rows


def set_aside(rows: Rows, share: float, seed: int, strata: NDArray | None = None) -> tuple[Rows, Rows]:
    """Split `rows` by chance into (kept, set aside), each in ascending order.

    `strata` holds a class for each of `rows`; its shares are kept where every class has two members or more. At
    least one row stays on either side, unless `share` is 0.
    """
    rows = np.asarray(rows, np.int32)
    if share == 0:
        return np.sort(rows), rows[:0]
    count = min(max(round(share * len(rows)), 1), len(rows) - 1)
    if strata is not None:
        _, members = np.unique(strata, return_counts=True)
        if members.min() < 2 or min(count, len(rows) - count) < len(members):
            strata = None
    kept, aside = train_test_split(rows, test_size=count, random_state=seed, stratify=strata)
    return np.sort(kept), np.sort(aside)


def repeated_folds(rows: int, k: int, repeats: int, seed: int, classes: NDArray | None = None) -> list[Fold]:
    """Split the rows 0..rows-1 into k folds, `repeats` times; `classes` (0 and 1, by row) keep their shares.

    Raises UserError where the rows, or those of the rarer class, are too few for k folds.
    """
    if rows < 2 * k:
        raise UserError(f"{rows} training rows are too few for {k} folds; expected at least {2 * k}, or set folds.k")
    if classes is not None:
        rarer = int(np.bincount(classes, minlength=2).min())
        if rarer < k:
            raise UserError(
                f"the rarer class has {rarer} training rows, too few for {k} folds; set folds.k to {max(rarer, 2)} or "
                "less, or find more of them"
            )
    splitter = RepeatedKFold if classes is None else RepeatedStratifiedKFold
    parts = splitter(n_splits=k, n_repeats=repeats, random_state=seed).split(np.zeros(rows), classes)
    return [
        Fold(number // k, number % k, train.astype(np.int32), test.astype(np.int32))
        for number, (train, test) in enumerate(parts)
    ]
