"""Detect separated labels in passes over a table of many rows, by linear programs for some of the rows.

A direction that separates all rows separates any of them. So the program for a few rows either finds that there is no
direction, or one that a pass holds against all rows. The rows that it puts on the wrong side join the few (Dantzig,
Fulkerson and Johnson 1954, "Solution of a large-scale traveling-salesman problem", which adds constraints so).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.regression.separation import (
    AT_ONCE,
    BROKEN,
    SEPARATES,
    Contrasts,
    Separation,
    open_pairs,
    separated_pairs,
    sparsest,
)
from straightline.regression.standardized import Standardized

PRECISE = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}  # the least that HiGHS takes


class Seen(NamedTuple):
    """What a pass sees of a direction in the contrasts that others do not separate.

    `total` is the sum of what a direction is multiplied with, `highest` the largest product with the direction, and
    `lowest` are some contrasts with low products. `spread` are some contrasts at even distances.
    """

    total: NDArray
    highest: float
    lowest: Contrasts
    products: NDArray
    spread: Contrasts


@dataclass(frozen=True)
class Search:
    """Looks at a direction in all rows, `count` of them. Contrasts that `found` directions separate are left out.

    `limit` is the product from which on a contrast is right. With `sampling` some are taken at even distances too.
    """

    standardized: Standardized
    family: Family
    found: Sequence[NDArray]
    direction: NDArray
    limit: float
    count: int
    sampling: bool = False

    def __call__(self, rows: Rows) -> Seen:
        """Return what is seen in `rows`."""
        design = self.standardized(rows.features)
        contrasts = Contrasts.of(design, rows.labels, self.family)
        active = np.flatnonzero(~contrasts.separated(self.found))
        products = contrasts.times(self.direction)[active]
        low = np.argsort(products, kind="stable")[:AT_ONCE]
        low = low[products[low] < self.limit]
        even = np.zeros(0, int)
        if self.sampling and len(active):
            size = min(len(active), -(-AT_ONCE * len(rows) // self.count))
            even = active[np.linspace(0, len(active) - 1, size).astype(int)]
        factors = np.zeros((len(rows), self.family.outputs))
        np.add.at(factors, contrasts.numbers[active], contrasts.factors[active])
        return Seen(
            (factors.T @ design).ravel(),
            float(products.max(initial=-np.inf)),
            _taken(contrasts, active[low]),
            products[low],
            _taken(contrasts, even),
        )


def _taken(contrasts: Contrasts, places: NDArray) -> Contrasts:
    numbers = contrasts.numbers[places]
    return Contrasts(contrasts.design[numbers], np.arange(len(places)), contrasts.factors[places])


def _joined(first: Contrasts, second: Contrasts) -> Contrasts:
    design, factors = np.concatenate([first.design, second.design]), np.concatenate([first.factors, second.factors])
    return Contrasts(design, np.arange(len(design)), factors)


def _combined(first: Seen, second: Seen) -> Seen:
    products = np.concatenate([first.products, second.products])
    low = np.argsort(products, kind="stable")[:AT_ONCE]
    return Seen(
        first.total + second.total,
        max(first.highest, second.highest),
        _taken(_joined(first.lowest, second.lowest), low),
        products[low],
        _joined(first.spread, second.spread),
    )


def separating_in_passes(
    standardized: Standardized, family: Family, weights: NDArray, count: int
) -> Generator[Pass, Any, Separation | None]:
    """Compute what `separation.separating` returns for all `count` rows of a table.

    The rows with the lowest likelihood at `weights`, where the search for an optimum ended, are the first to be looked
    at: they are those that are not separated, or by the least.
    """
    search = Search(standardized, family, (), weights, np.inf, count, sampling=True)
    seen: Seen = yield Pass(search, _combined)
    everything = _joined(seen.lowest, seen.spread)
    found: list[NDArray] = []
    while len(seen.products):
        direction, few = yield from _direction(search, seen)
        if not found:
            everything = few
        if direction is None:
            break
        found.append(direction)
        if family.outputs == 1:
            break
        search = Search(standardized, family, tuple(found), weights, np.inf, count, sampling=True)
        seen = yield Pass(search, _combined)
    if not found:
        return None
    counts, left = yield Pass(partial(_outcome, standardized, family, found), _added)
    pairs = separated_pairs(counts) if family.outputs > 1 else []
    if family.outputs == 1 or not counts[1].any():
        direction = yield from _of_all_rows(Search(standardized, family, (), weights, 1 - SEPARATES, count), everything)
        if direction is not None:
            return Separation(direction[np.newaxis], True, pairs)
    return Separation(np.array(found), not left, pairs, family.is_count)


def _direction(search: Search, seen: Seen) -> Generator[Pass, Any, tuple[NDArray | None, Contrasts]]:
    """Compute the direction with the largest sum of products, none of them negative, and the rows that decided it.

    The direction is None if there is none that separates a row.
    """
    few = _without_copies(_joined(seen.lowest, seen.spread))
    while True:
        products = few.products
        bounds = [(-1, 1)] * products.shape[1]
        best = optimize.linprog(-seen.total, -products, np.zeros(products.shape[0]), bounds=bounds, options=PRECISE)
        if best.status != 0 or -best.fun <= SEPARATES:
            return None, few
        found = yield Pass(replace(search, direction=best.x, limit=-BROKEN, sampling=False), _combined)
        more = _without_copies(_joined(few, found.lowest))
        if len(more.numbers) == len(few.numbers):
            return (best.x if found.highest > SEPARATES else None), few
        few = more


def _of_all_rows(search: Search, few: Contrasts) -> Generator[Pass, Any, NDArray | None]:
    """Compute the sparsest direction that separates all rows with a margin of 1, or None if there is none."""
    while True:
        direction = sparsest(few.products, few.design.shape[1])
        if direction is None:
            return None
        seen = yield Pass(replace(search, direction=direction), _combined)
        more = _without_copies(_joined(few, seen.lowest))
        if len(more.numbers) == len(few.numbers):
            return direction
        few = more


def _without_copies(contrasts: Contrasts) -> Contrasts:
    """Return each contrast once. A program keeps to its contrasts but for rounding errors, so that none comes back."""
    rows = np.hstack([contrasts.design, contrasts.factors])
    return _taken(contrasts, np.sort(np.unique(rows, axis=0, return_index=True)[1]))


def _outcome(standardized: Standardized, family: Family, found: Sequence[NDArray], rows: Rows) -> tuple[NDArray, int]:
    """Return the counts of `open_pairs`, if there are pairs, and how many rows no direction separates."""
    design = standardized(rows.features)
    left = int(Separation(np.array(found), False, []).left(design, rows.labels, family).sum())
    if family.outputs == 1:
        return np.zeros(0), left
    contrasts = Contrasts.of(design, rows.labels, family)
    return open_pairs(rows.labels, contrasts, contrasts.separated(found), family), left


def _added(first: tuple[NDArray, int], second: tuple[NDArray, int]) -> tuple[NDArray, int]:
    return first[0] + second[0], first[1] + second[1]
