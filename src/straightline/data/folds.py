"""Divide rows: held-out rows, repeated folds, and the rows set aside for early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
    """The row numbers on which a fold is trained, and those on which it is scored."""

    repeat: int
    fold: int
    train: RowNumbers
    test: RowNumbers


@dataclass(frozen=True)
class Split:
    """How the rows of a table are divided.

    With `groups` a group is never divided. If rows are `ordered`, earlier rows are divided from later rows. Otherwise
    rows are divided at random. `classes` and `groups` hold a number for each row; random division keeps the shares of
    the classes. `class_names` are the names of the classes, in the order of their numbers, for errors.
    """

    classes: NDArray | None = None
    groups: NDArray | None = None
    ordered: bool = False
    class_names: Sequence[Any] | None = None

    def set_aside(self, rows: RowNumbers, share: float, seed: int) -> tuple[RowNumbers, RowNumbers]:
        """Divide `rows`, ascending, into (kept, set aside), both ascending.

        The rows set aside are a random `share` of the rows, the last rows if rows are ordered, or a random `share` of
        the groups. Classes keep their shares if each class has two or more rows. Both sides have at least one row (or
        group), unless `share` is 0 or there is only one row. Raises UserError if all rows are in one group.
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
        """Return a share of `rows`: the last rows if rows are ordered, else the rows that `set_aside` would keep."""
        return rows[-_count(len(rows), share) :] if self.ordered else self.set_aside(rows, 1 - share, seed)[0]

    def folds(self, rows: int, k: int, repeats: int, seed: int) -> list[Fold]:
        """Divide the rows 0 to rows-1 into k folds, `repeats` times. Classes keep their shares.

        Ordered rows are divided only once: the later half is divided into k parts, and each part is scored by a model
        that was trained on all rows before it. Raises UserError if there are too few rows, groups, or rows of the
        rarer class for k folds.
        """
        self._require_enough(rows, k, repeats)
        divided = self._ordered(rows, k) if self.ordered else self._repeated(rows, k, repeats, seed)
        folds = [
            Fold(number // k, number % k, train.astype(np.int32), test.astype(np.int32))
            for number, (train, test) in enumerate(divided)
        ]
        for fold in folds:
            if self.classes is not None:
                self._require_all_classes(fold, self.classes)
        return folds

    def _require_all_classes(self, fold: Fold, classes: NDArray) -> None:
        absent = np.setdiff1d(classes, classes[fold.train])
        if len(absent):
            raise UserError(
                f"the {len(fold.train)} training rows of fold {fold.fold} of repeat {fold.repeat} have no row of class "
                f"{self._class_name(absent[0])}, since rows are divided by time or in groups; set a smaller folds.k, "
                "or add rows"
            )

    def _class_name(self, number: int) -> str:
        return str(number) if self.class_names is None else repr(self.class_names[number])

    def parts(self, rows: RowNumbers, count: int, seed: int) -> list[tuple[RowNumbers, RowNumbers]]:
        """Divide `rows`, ascending, into parts; return for each part the rows to train on and the rows of the part.

        There are `count` parts, or fewer if there are fewer groups or rows of the rarer class, but at least two.
        Ordered rows are divided as `folds` divides them: the parts are in the later half, and the rows to train on are
        those before the part. Raises UserError if all rows are in one group.
        """
        rows = np.asarray(rows, np.int32)
        if self.ordered:
            divided = self._ordered(len(rows), max(min(count, len(rows) // 2), 2))
        else:
            classes, groups = (None if numbers is None else numbers[rows] for numbers in (self.classes, self.groups))
            count = min(count, len(rows) if groups is None else len(np.unique(groups)))
            if count < 2:
                raise _one_group(len(rows))
            rarest = count if classes is None else int(np.unique(classes, return_counts=True)[1].min())
            if rarest < (2 if groups is None else count):
                classes = None  # A class with fewer rows than there are parts cannot keep its share.
            elif groups is None:
                count = min(count, rarest)
            divided = Split(classes, groups)._repeated(len(rows), count, 1, seed)
        return [(rows[train], rows[part]) for train, part in divided]

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
            counts = np.bincount(self.classes, minlength=len(self.class_names or range(2)))
            rarest = int(counts.argmin())
            if counts[rarest] < k:
                rows_of_it = "1 training row" if counts[rarest] == 1 else f"{counts[rarest]} training rows"
                fewer = f"set folds.k to {counts[rarest]} or less, " if counts[rarest] > 1 else ""
                raise UserError(
                    f"the rarest class, {self._class_name(rarest)}, has {rows_of_it}, too few for {k} folds; {fewer}"
                    "join the class with another one, or add rows of it"
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


def _one_group(rows: int) -> UserError:
    return UserError(f"all {rows} rows are of one group, which cannot be divided; choose another column")


def _count(rows: int, share: float) -> int:
    return min(max(round(share * rows), 1), rows - 1)


def _groups_aside(rows: RowNumbers, groups: NDArray, share: float, seed: int) -> tuple[RowNumbers, RowNumbers]:
    group_count = len(np.unique(groups))
    if group_count < 2:
        raise _one_group(len(rows))
    splitter = GroupShuffleSplit(1, test_size=_count(group_count, share), random_state=seed)
    ((kept, aside),) = splitter.split(rows, groups=groups)
    return np.sort(rows[kept]), np.sort(rows[aside])
