"""Detect labels that the columns separate perfectly. A regression then has no finite optimum."""

from collections.abc import Iterator
from dataclasses import dataclass

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

    The first direction separates what it can, the next ones separate what it leaves. `rest` are the rows that no
    direction separates completely. It is empty if a direction separates all rows. `allowed` `(rest, classes)` says
    which classes of these rows are still possible, if there are more than two. `pairs` are the separated pairs of
    classes, in ascending order. If the labels are counts, zeros are separated from all others.
    """

    directions: NDArray
    rest: Rows
    allowed: NDArray | None
    pairs: list[tuple[int, int]]
    is_of_counts: bool = False

    @property
    def complete(self) -> bool:
        """Whether all rows are separated."""
        return not len(self.rest)

    @property
    def size(self) -> NDArray:
        """The largest weight of each coefficient in any direction, as a share of the largest of the direction."""
        sizes = np.abs(self.directions)
        return np.asarray((sizes / sizes.max(axis=1, keepdims=True)).max(axis=0))

    def columns(self, count: int) -> NDArray:
        """Return which of `count` columns take part in a direction, `(count,)`."""
        return np.asarray((self.size.reshape(-1, 1 + count)[:, 1:] > SEPARATES).any(axis=0))


def separating(design: NDArray, rows: Rows, family: Family) -> Separation | None:
    """Return directions that separate the labels, or None if there is none.

    They separate all rows with a margin of 1 or more if such a direction exists. Otherwise they separate at least one
    row and put no row on the wrong side. `design` are the standardised `rows`. All directions are solutions of linear
    programs (Konis 2007, section 4). The program for all rows minimises the sum of the absolute weights of the columns,
    so that many weights are zero. It takes longer, so it comes second.
    """
    numbers, contrasts = family.separating_contrasts(rows.labels)
    products = _products(design, numbers, contrasts)
    found = list(_directions(products, family.outputs))
    if not found:
        return None
    separated = np.any([products @ direction > SEPARATES for direction in found], axis=0)
    pairs = _pairs(rows.labels[numbers], contrasts, separated) if family.outputs > 1 else []
    may_be_complete = family.outputs == 1 or bool(separated.all())
    direction = _of_all_rows(products, design.shape[1]) if may_be_complete else None
    if direction is not None:
        return Separation(direction[np.newaxis], rows.take(np.arange(0, dtype=np.int32)), None, pairs)
    allowed = np.ones((len(rows), family.outputs + 1), bool)
    allowed[numbers[separated], _others(contrasts[separated])] = False
    rest = np.flatnonzero(allowed.sum(axis=1) > 1).astype(np.int32)
    return Separation(
        np.array(found), rows.take(rest), allowed[rest] if family.outputs > 1 else None, pairs, family.is_count
    )


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


def _of_all_rows(products: NDArray, width: int) -> NDArray | None:
    """Return the sparsest direction that separates all rows with a margin of 1, or None if there is none."""
    cost = np.where(np.arange(products.shape[1]) % width == 0, 0.0, 1.0)
    stack = sparse.hstack if sparse.issparse(products) else np.hstack
    both = stack([-products, products])  # A weight is the difference of two weights that are not negative.
    found = optimize.linprog(np.tile(cost, 2), both, -np.ones(products.shape[0]))
    return np.subtract(*np.split(found.x, 2)) if found.status == 0 else None


def _products(design: NDArray, numbers: NDArray, contrasts: NDArray) -> NDArray:
    """Return what a direction is multiplied with, `(contrasts, outputs * columns)`; sparse for several outputs."""
    if contrasts.shape[1] == 1:
        return contrasts * design[numbers]
    blocks = [sparse.diags_array(factors) @ design[numbers] for factors in contrasts.T]
    return sparse.csr_array(np.hstack(blocks))


def _others(contrasts: NDArray) -> NDArray:
    """Return the class that each contrast tells the label from: the one with the factor -1, or the reference."""
    if contrasts.shape[1] == 1:
        return np.zeros(len(contrasts), int)
    return np.where((contrasts < 0).any(axis=1), contrasts.argmin(axis=1) + 1, 0)


def _pairs(labels: NDArray, contrasts: NDArray, separated: NDArray) -> list[tuple[int, int]]:
    """Return the pairs of classes of which all rows are separated."""
    ends = np.sort(np.column_stack([labels.astype(int), _others(contrasts)]), axis=1)
    pairs, of_contrast = np.unique(ends, axis=0, return_inverse=True)
    is_open = np.bincount(of_contrast.ravel(), ~separated, minlength=len(pairs)) > 0
    return [(int(first), int(second)) for first, second in pairs[~is_open]]
