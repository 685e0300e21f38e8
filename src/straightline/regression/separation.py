"""Detect labels that the columns separate perfectly. A regression then has no finite optimum."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from straightline.data.rows import Rows
from straightline.families import Family

RANK_TOLERANCE = 1e-10  # Singular values below this share of the largest count as zero.
AT_ONCE = 2_000  # So many rows enter the linear program at first, and at most so many more each time.
BROKEN = 1e-9  # A product that is below 0 by less is a rounding error.
SEPARATES = 1e-6  # Larger products are not rounding errors of the linear program, whose weights are at most 1.


@dataclass(frozen=True)
class Separation:
    """Weights of the standardised columns that separate the labels without a mistake, `(directions, weights)`.

    The first direction separates what it can, the next ones separate what it leaves. It is `complete` if they separate
    all rows. `pairs` are the separated pairs of classes, in ascending order. If the labels are counts, zeros are
    separated from all others.
    """

    directions: NDArray
    complete: bool
    pairs: list[tuple[int, int]]
    is_of_counts: bool = False

    @property
    def size(self) -> NDArray:
        """The largest weight of each coefficient in any direction, as a share of the largest of the direction."""
        sizes = np.abs(self.directions)
        return np.asarray((sizes / sizes.max(axis=1, keepdims=True)).max(axis=0))

    def columns(self, count: int) -> NDArray:
        """Return which of `count` columns take part in a direction, `(count,)`."""
        return np.asarray((self.size.reshape(-1, 1 + count)[:, 1:] > SEPARATES).any(axis=0))

    def allowed(self, design: NDArray, labels: NDArray, family: Family) -> NDArray[np.bool_]:
        """Return which classes of each row no direction separates it from, `(rows, classes)`.

        A family with one linear predictor has two classes: its label, and what lies on the other side of it. `design`
        `(rows, 1 + columns)` are the standardised rows.
        """
        contrasts = Contrasts.of(design, labels, family)
        allowed = np.ones((len(labels), family.outputs + 1), bool)
        separated = contrasts.separated(self.directions)
        allowed[contrasts.numbers[separated], others(contrasts.factors[separated])] = False
        return allowed

    def left(self, design: NDArray, labels: NDArray, family: Family) -> NDArray[np.bool_]:
        """Return which rows have more than one class that is allowed: those that no direction separates, `(rows,)`."""
        return np.asarray(self.allowed(design, labels, family).sum(axis=1) > 1)


class Contrasts(NamedTuple):
    """Products of rows with a direction that may not be negative if it separates (`Family.separating_contrasts`).

    `numbers` `(contrasts,)` are those of rows of `design` `(rows, 1 + columns)`, and `factors` `(contrasts, outputs)`
    multiply their linear predictors.
    """

    design: NDArray
    numbers: NDArray
    factors: NDArray

    @classmethod
    def of(cls, design: NDArray, labels: NDArray, family: Family) -> "Contrasts":
        """Return the contrasts of all rows."""
        return cls(design, *family.separating_contrasts(labels))

    def times(self, direction: NDArray) -> NDArray:
        """Return the products with a direction, `(contrasts,)`."""
        predictors = self.design @ direction.reshape(self.factors.shape[1], -1).T
        return np.einsum("ij,ij->i", self.factors, predictors[self.numbers])

    def separated(self, directions: Iterable[NDArray]) -> NDArray[np.bool_]:
        """Return which contrasts any of the directions separates, `(contrasts,)`."""
        separated = np.zeros(len(self.numbers), bool)
        for direction in directions:
            separated |= self.times(direction) > SEPARATES
        return separated

    @property
    def products(self) -> NDArray:
        """What a direction is multiplied with, `(contrasts, outputs * columns)`; sparse for several outputs."""
        if self.factors.shape[1] == 1:
            return self.factors * self.design[self.numbers]
        blocks = [sparse.diags_array(factors) @ self.design[self.numbers] for factors in self.factors.T]
        return sparse.csr_array(np.hstack(blocks))


def separating(design: NDArray, rows: Rows, family: Family) -> Separation | None:
    """Return directions that separate the labels, or None if there is none.

    They separate all rows with a margin of 1 or more if such a direction exists. Otherwise they separate at least one
    row and put no row on the wrong side. `design` are the standardised `rows`. All directions are solutions of linear
    programs (Konis 2007, section 4). The program for all rows minimises the sum of the absolute weights of the columns,
    so that many weights are zero. It takes longer, so it comes second.
    """
    contrasts = Contrasts.of(design, rows.labels, family)
    products = contrasts.products
    found = list(_directions(products, family.outputs))
    if not found:
        return None
    separated = np.any([products @ direction > SEPARATES for direction in found], axis=0)
    pairs = separated_pairs(open_pairs(rows.labels, contrasts, separated, family)) if family.outputs > 1 else []
    may_be_complete = family.outputs == 1 or bool(separated.all())
    direction = sparsest(products, design.shape[1]) if may_be_complete else None
    if direction is not None:
        return Separation(direction[np.newaxis], True, pairs)
    found_separation = Separation(np.array(found), False, pairs, family.is_count)
    complete = not found_separation.left(design, rows.labels, family).any()
    return replace(found_separation, complete=complete)


def _directions(products: NDArray, outputs: int) -> Iterator[NDArray]:
    """Yield a direction that separates some of the rows of `products`, then others for what it leaves.

    With one linear predictor the rest is looked at when its coefficients are estimated.
    """
    active = np.ones(products.shape[0], bool)
    while active.any():
        left = products[active]
        direction = _direction(left)
        # Rounding errors of many rows may have a sum that is larger than those of one.
        if direction is None or (left @ direction).max() <= SEPARATES:
            return
        yield direction
        if outputs == 1:
            return
        active &= ~(products @ direction > SEPARATES)


def _direction(products: NDArray) -> NDArray | None:
    """Return the direction with the largest sum of products of which none is negative, or None if the search fails.

    Of many rows some are left out of the linear program until they are broken (Dantzig, Fulkerson and Johnson 1954,
    "Solution of a large-scale traveling-salesman problem", which adds constraints so): that takes seconds where all
    rows at once take minutes.
    """
    rows = products.shape[0]
    used = np.zeros(rows, bool)
    used[np.linspace(0, rows - 1, min(rows, AT_ONCE)).astype(int)] = True
    while True:
        found = optimize.linprog(
            -products.sum(axis=0), -products[used], np.zeros(used.sum()), bounds=[(-1, 1)] * products.shape[1]
        )
        if found.status != 0:
            return None
        values = np.where(used, 0.0, products @ found.x)
        if -found.fun <= SEPARATES or values.min() >= -BROKEN:
            return np.asarray(found.x)
        worst = np.argsort(values)[:AT_ONCE]
        used[worst[values[worst] < -BROKEN]] = True


def sparsest(products: NDArray, width: int) -> NDArray | None:
    """Return the sparsest direction whose `products` are all 1 or more, or None if there is none.

    A linear predictor has `width` weights, of which the first, that of the intercept, costs nothing.
    """
    cost = np.where(np.arange(products.shape[1]) % width == 0, 0.0, 1.0)
    stack = sparse.hstack if sparse.issparse(products) else np.hstack
    both = stack([-products, products])  # A weight is the difference of two weights that are not negative.
    found = optimize.linprog(np.tile(cost, 2), both, -np.ones(products.shape[0]))
    return np.subtract(*np.split(found.x, 2)) if found.status == 0 else None


def others(factors: NDArray) -> NDArray:
    """Return the class that each contrast tells the label from: the one with the factor -1, or the reference."""
    if factors.shape[1] == 1:
        return np.zeros(len(factors), int)
    return np.where((factors < 0).any(axis=1), factors.argmin(axis=1) + 1, 0)


def open_pairs(labels: NDArray, contrasts: Contrasts, separated: NDArray, family: Family) -> NDArray:
    """Return how many contrasts each pair of classes has, and how many of them are open, `(2, classes, classes)`.

    The lower class of a pair comes first.
    """
    counts = np.zeros((2, family.outputs + 1, family.outputs + 1), int)
    ends = np.sort(np.column_stack([labels[contrasts.numbers].astype(int), others(contrasts.factors)]), axis=1)
    np.add.at(counts[0], tuple(ends.T), 1)
    np.add.at(counts[1], tuple(ends[~separated].T), 1)
    return counts


def separated_pairs(counts: NDArray) -> list[tuple[int, int]]:
    """Return the pairs of classes of which all rows are separated, from the counts of `open_pairs`."""
    return [(int(first), int(second)) for first, second in np.argwhere((counts[0] > 0) & (counts[1] == 0))]
