"""Divide the rows of a large table into cells, by chances instead of lists of rows. A fold tests on the rows of a cell.

Beyond LARGE_ROWS rows a list of rows for each fold would take gigabytes. So the cell of a row is computed when the row
is read: from a hash of a seed and its number, or its group, or in order of time from its number alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Folds
from straightline.data.chance import chances
from straightline.data.passes import either
from straightline.errors import UserError


@dataclass(frozen=True)
class Division:
    """The division of `rows` rows into cells for `k` folds.

    Fold j tests on cell `test_cell(j)`. It trains on all other cells, or, if rows are `ordered`, on those before it:
    then cell 0 is the earlier half of the rows, on which no fold tests, as in `Split.folds`.

    Models are fitted in `folds`: in `most` of them, or in all of `ordered` rows, since each asks about another time.
    """

    rows: int
    k: int
    seed: int
    repeat: int = 0
    ordered: bool = False
    most: int | None = None

    @property
    def folds(self) -> range:
        """The folds in which models are fitted."""
        return range(self.k if self.ordered or self.most is None else min(self.k, self.most))

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.k + self.ordered

    def cells_of(self, keys: NDArray) -> NDArray[np.int64]:
        """Return the cell of each row, `(rows,)`. `keys` are the numbers of the rows, or the keys of their groups."""
        if self.ordered:
            size = self.rows // (2 * self.k)
            return np.maximum((keys.astype(np.int64) - (self.rows - self.k * size)) // size + 1, 0)
        return (chances(keys, self.seed, self.repeat) * self.k).astype(np.int64)

    def test_cell(self, fold: int) -> int:
        """Return the cell that fold number `fold` tests on."""
        return fold + self.ordered

    def is_trained(self, fold: int) -> NDArray[np.bool_]:
        """Return whether the fold trains on the rows of each cell, `(cells,)`."""
        cells = np.arange(self.cells)
        return cells < self.test_cell(fold) if self.ordered else cells != self.test_cell(fold)

    def training_results(self, of_cells: Sequence[Any], combine: Callable[[Any, Any], Any]) -> list[Any]:
        """Return for each of `folds` the result of its training rows, from results of the cells.

        Results of the cells before and after each cell are joined from both ends, and nothing is subtracted, since that
        would lose digits. Raises UserError if a fold has nothing to train on.
        """
        before = _accumulated(of_cells, combine)
        after = _accumulated(of_cells[::-1], lambda later, earlier: combine(earlier, later))[::-1]
        joined = []
        for fold in self.folds:
            cell = self.test_cell(fold)
            ends = [before[cell]] if self.ordered else [before[cell], after[cell]]
            parts = [each for each in ends if each is not None]
            if not parts or of_cells[cell] is None:
                raise UserError(
                    f"fold {fold} of {self.k} has no row to {'test' if parts else 'train'} on, since rows are divided "
                    "in groups; set a smaller folds.k"
                )
            joined.append(reduce(combine, parts))
        return joined


def divided(rows: int, folds: Folds, ordered: bool) -> Division:
    """Return the division of `rows` rows by the settings `folds`.

    Raises UserError if they ask for several repeats or seeds.
    """
    for name, number in (("repeats", folds.repeats), ("seeds", folds.seeds)):
        if (number or 1) > 1:
            raise UserError(
                f"folds.{name} is {number} for a table of {rows:,} rows, expected null or 1: with so many rows once is "
                "precise enough; leave it out"
            )
    return Division(rows, folds.k, folds.seed, ordered=ordered, most=folds.large)


def _accumulated(results: Sequence[Any], combine: Callable[[Any, Any], Any]) -> list[Any]:
    """Return the joined results before each one, None where there is none."""
    found: list[Any] = []
    so_far = None
    for result in results:
        found.append(so_far)
        so_far = either(combine, so_far, result)
    return found
