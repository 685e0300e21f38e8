"""Who trains on what: held-out rows, repeated folds, and the rows set aside for early stopping."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    train_test_split,
)

from straightline.data.rows import RowNumbers
from straightline.errors import UserError


@dataclass(frozen=True)
class Fold:
    """Row numbers that a fold trains on and is scored on."""

    repeat: int
    fold: int
    train: RowNumbers
    test: RowNumbers


@dataclass(frozen=True)
class Split:
    """How the rows of a table are divided: by chance, in whole `groups`, or, where `ordered`, earlier from later ones.

    `classes` (whose shares chance keeps) and `groups` hold a number for each row.
    """

    classes: NDArray | None = None
    groups: NDArray | None = None
    ordered: bool = False

    def set_aside(self, rows: RowNumbers, share: float, seed: int) -> tuple[RowNumbers, RowNumbers]:
        """Divide `rows`, ascending, into (kept, set aside), both ascending.

        A share of the rows, by chance; the last ones of ordered rows; a share of the groups. Classes keep their shares
        where each has two members or more. At least one row (group) stays on either side, unless `share` is 0 or there
        is but one row. Raises UserError where all rows are of one group.
        """
        rows = np.asarray(rows, np.int32)
        if share == 0 or len(rows) < 2:
            return np.sort(rows), rows[:0]
        if self.groups is not None:
            return _groups_aside(rows, self.groups[rows], share, seed)
        count = _count(len(rows), share)
        if self.ordered:
            return rows[:-count], rows[-count:]
        kept, aside = train_test_split(rows, test_size=count, random_state=seed, stratify=self._strata(rows, count))
        return np.sort(kept), np.sort(aside)

    def sample(self, rows: RowNumbers, share: float, seed: int) -> RowNumbers:
        """Return a share of `rows`: the last of ordered ones, else those that `set_aside` would keep."""
        return rows[-_count(len(rows), share) :] if self.ordered else self.set_aside(rows, 1 - share, seed)[0]

    def folds(self, rows: int, k: int, repeats: int, seed: int) -> list[Fold]:
        """Divide the rows 0..rows-1 into k folds, `repeats` times, classes keeping their shares.

        Ordered rows are divided once: the later half into k parts, each scored by what all rows before it trained.
        Raises UserError where the rows, the groups or the rows of the rarer class are too few for k folds.
        """
        self._require_enough(rows, k, repeats)
        divided = self._ordered(rows, k) if self.ordered else self._repeated(rows, k, repeats, seed)
        folds = [
            Fold(number // k, number % k, train.astype(np.int32), test.astype(np.int32))
            for number, (train, test) in enumerate(divided)
        ]
        for fold in folds:
            if self.classes is not None and len(np.unique(self.classes[fold.train])) < 2:
                raise UserError(
                    f"the {len(fold.train)} training rows of fold {fold.fold} of repeat {fold.repeat} have one class "
                    "only, since rows are divided by time or in groups; take fewer folds (folds.k), or more rows"
                )
        return folds

    def _strata(self, rows: RowNumbers, count: int) -> NDArray | None:
        if self.classes is None:
            return None
        strata = self.classes[rows]
        _, members = np.unique(strata, return_counts=True)
        return None if members.min() < 2 or min(count, len(rows) - count) < len(members) else strata

    def _require_enough(self, rows: int, k: int, repeats: int) -> None:
        if rows < 2 * k:
            raise UserError(
                f"{rows} training rows are too few for {k} folds; expected at least {2 * k}, or set folds.k"
            )
        if self.ordered and repeats > 1:
            raise UserError(f"rows in the order of time can be divided once, not {repeats} times; set folds.repeats=1")
        if self.groups is not None:
            groups = len(np.unique(self.groups))
            if groups < 2 * k:
                raise UserError(
                    f"{groups} groups in the training rows are too few for {k} folds; expected at least {2 * k}, or "
                    f"set folds.k to {max(groups // 2, 2)} or less"
                )
        elif self.classes is not None and not self.ordered:
            rarer = int(np.bincount(self.classes, minlength=2).min())
            if rarer < k:
                raise UserError(
                    f"the rarer class has {rarer} training rows, too few for {k} folds; set folds.k to "
                    f"{max(rarer, 2)} or less, or find more of them"
                )

    def _ordered(self, rows: int, k: int) -> list[tuple[NDArray, NDArray]]:
        return list(TimeSeriesSplit(k, test_size=rows // (2 * k)).split(np.empty(rows)))

    def _repeated(self, rows: int, k: int, repeats: int, seed: int) -> list[tuple[NDArray, NDArray]]:
        if self.groups is None:
            splitter = RepeatedKFold if self.classes is None else RepeatedStratifiedKFold
            return list(splitter(n_splits=k, n_repeats=repeats, random_state=seed).split(np.zeros(rows), self.classes))
        grouped = GroupKFold if self.classes is None else StratifiedGroupKFold
        random = np.random.RandomState(seed)
        return [
            pair
            for _ in range(repeats)
            for pair in grouped(k, shuffle=True, random_state=random).split(np.zeros(rows), self.classes, self.groups)
        ]


def _count(rows: int, share: float) -> int:
    return min(max(round(share * rows), 1), rows - 1)


def _groups_aside(rows: RowNumbers, groups: NDArray, share: float, seed: int) -> tuple[RowNumbers, RowNumbers]:
    different = len(np.unique(groups))
    if different < 2:
        raise UserError(f"all {len(rows)} rows are of one group, which cannot be divided; choose another column")
    splitter = GroupShuffleSplit(1, test_size=_count(different, share), random_state=seed)
    ((kept, aside),) = splitter.split(rows, groups=groups)
    return np.sort(rows[kept]), np.sort(rows[aside])
