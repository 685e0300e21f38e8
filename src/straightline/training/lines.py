"""The straight line of each set of training rows: the plain regression, or ridge where this is clearly better.

The choice is made on parts of the training rows, as that of an averaged network (Varma and Simon 2006).
"""

import itertools
from collections.abc import Sequence

import numpy as np

from straightline.data.folds import Fold
from straightline.data.rows import RowNumbers
from straightline.data.training_table import TrainingTable
from straightline.models import Regression
from straightline.regression import exact, ridge
from straightline.regression.ridge import Line
from straightline.training.choice_sample import Parts, divided, gathered
from straightline.training.plan import MEMBERS

WORTH = 0.001  # Ridge has to lower the loss on the parts by this share, so that chance rarely shrinks a good line.


def penalties(table: TrainingTable, row_sets: Sequence[Fold], settings: Regression, seed: int) -> list[float]:
    """Return the penalty of the straight line of each of `row_sets`; 0 is the plain regression."""
    if settings.l2 is not None:
        return [settings.l2] * len(row_sets)
    division = divided(table, row_sets, MEMBERS, seed)
    chosen, _ = chosen_lines(*gathered(table, division), settings.intercept)
    return [penalty * share for penalty, share in zip(chosen, division.shares, strict=True)]


def chosen_lines(
    table: TrainingTable, parts: Sequence[Parts], intercept: bool = True
) -> tuple[list[float], list[list[Line]]]:
    """Return the penalty with the lowest loss on the parts of each set of rows, and the lines of its parts.

    A penalty of 0 is the plain regression.
    """
    trains = [train for divided_rows in parts for train, _ in divided_rows]
    tests = [part for divided_rows in parts for _, part in divided_rows]
    lines = ridge.paths(table.source, trains, table.family, intercept=intercept)
    losses = ridge.part_losses(table.source, tests, lines, table.family)
    losses[:, 0] *= 1 - WORTH  # The smallest penalty stands for the plain regression, which differs from it by little.
    ends = np.cumsum([0, *map(len, parts)])
    found_penalties, part_lines = [], []
    for first, end in itertools.pairwise(ends):
        best = int(losses[first:end].sum(axis=0).argmin())
        found_penalties.append(lines[first][best].penalty if best else 0.0)
        part_lines.append([candidates[best] for candidates in lines[first:end]])
    return found_penalties, part_lines


def fitted_lines(
    table: TrainingTable, row_sets: Sequence[RowNumbers], line_penalties: Sequence[float], intercept: bool = True
) -> list[Line]:
    """Return the straight line of each set of rows with its penalty; 0 is the plain regression, or Firth's estimate."""
    shrunk = [number for number, penalty in enumerate(line_penalties) if penalty]
    plain = [number for number, penalty in enumerate(line_penalties) if not penalty]
    source, family = table.source, table.family
    optima = exact.optima(
        source, [row_sets[each] for each in plain], family, table.names, inference=None, intercept=intercept
    )
    ridges = ridge.lines(
        source, [row_sets[each] for each in shrunk], family, [line_penalties[each] for each in shrunk], intercept
    )
    found = dict(zip(plain, (Line(optimum.coefficients, 0.0) for optimum in optima), strict=True))
    found |= dict(zip(shrunk, ridges, strict=True))
    return [found[number] for number in range(len(row_sets))]
