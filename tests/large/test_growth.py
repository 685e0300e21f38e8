"""The number of rows that a network learns from: sizes of samples, and the rule that ends them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.comparison.significance import Comparison
from straightline.config.settings import Growth
from straightline.large.growth import ENOUGH, MOST_ROWS, Grown, Look, Reason, reason_to_end, sizes

SPREAD = 1 + 0.001 * np.array([-2, -1, 0, 1, 2])


def look(network: float, line: float = 1.0, earlier: float | None = None) -> Look:
    return Look(400_000, network * SPREAD, line * SPREAD, None if earlier is None else earlier * SPREAD)


@given(st.integers(250_001, 10**10))
def test_sizes_grow_up_to_all_rows_or_what_memory_holds(rows: int) -> None:
    found = sizes(rows, Growth())
    assert found[0] == 100_000
    assert found[-1] == min(rows, MOST_ROWS)
    assert found[:-1] == [100_000 * 4**number for number in range(len(found) - 1)]
    assert all(size < ENOUGH * rows for size in found[:-1])


def test_a_flat_curve_ends_the_growth() -> None:
    planned = sizes(100_000_000, Growth())
    first, flat = look(0.99), look(0.989, earlier=0.9895)
    assert reason_to_end([first], planned, 100_000_000, Growth(), 5) is None
    assert reason_to_end([first, flat], planned, 100_000_000, Growth(), 5) == "flat"
    assert flat.fall == pytest.approx(1 - 0.989 / 0.9895)


def test_a_falling_curve_does_not() -> None:
    planned = sizes(100_000_000, Growth())
    assert reason_to_end([look(0.99), look(0.97, earlier=0.99)], planned, 100_000_000, Growth(), 5) is None


def test_an_uncertain_fall_does_not() -> None:
    uncertain = Look(400_000, 0.99 + 0.02 * (SPREAD - 1) / 0.001, np.ones(5), np.full(5, 0.99))
    assert reason_to_end([look(0.99), uncertain], sizes(10**8, Growth()), 10**8, Growth(), 5) is None


def test_a_clear_gain_ends_the_growth_at_the_level_for_all_looks() -> None:
    rows = 100_000_000
    planned = sizes(rows, Growth())
    network = 0.94 + 0.004 * np.array([-2, -1, 0, 1, 2])
    found = Look(100_000, network, np.ones(5), None)
    low, _ = Comparison(np.ones(5), network, 5).gain_interval(1 - 0.05 / len(planned))
    assert low is not None
    assert reason_to_end([found], planned, rows, Growth(clear_gain=low - 1e-6), 5) == "better"
    assert reason_to_end([found], planned, rows, Growth(clear_gain=low + 1e-6), 5) is None


def test_all_rows_end_it() -> None:
    planned = sizes(300_000, Growth())
    looks = [look(0.99), look(0.9, earlier=0.99)][: len(planned)]
    assert reason_to_end(looks, planned, 300_000, Growth(), 5) == "all rows"
    planned = sizes(10**9, Growth())
    assert reason_to_end([look(0.99)] * len(planned), planned, 10**9, Growth(), 5) == "most rows"


def test_only_flat_curves_and_all_rows_allow_the_line_to_be_enough() -> None:
    reasons: list[Reason] = ["all rows", "flat", "better", "most rows"]
    assert [Grown([], 1, reason).is_flat for reason in reasons] == [True, True, False, False]
