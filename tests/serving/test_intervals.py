"""Prediction intervals: the order statistic of split conformal prediction, and the coverage that it promises."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.errors import UserError
from straightline.families.target import Target
from straightline.serving.intervals import half_width
from straightline.serving.prediction import predicted_columns


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.9, 9), (0.5, 5), (0.51, 6), (0.05, 1)],  # of ten shares of .1, the one that is reached
)
def test_nine_residuals_by_hand(level: float, expected: float) -> None:
    residuals = np.array([3, -9, 1, -2, 7, 5, -8, 6, 4.0])
    assert half_width(residuals, level) == expected


def test_a_level_is_the_number_that_was_typed() -> None:
    assert 100 * 0.07 > 7
    assert half_width(np.arange(1.0, 100.0), 0.07) == 7


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60), st.integers(1, 99))
def test_it_is_the_least_distance_that_enough_residuals_keep(residuals: list[float], percent: int) -> None:
    distances, needed = np.abs(residuals), (len(residuals) + 1) * Fraction(percent, 100)
    wide_enough = [distance for distance in distances if (distances <= distance).sum() >= needed]
    if wide_enough:
        assert half_width(np.array(residuals), percent / 100) == min(wide_enough)
    else:
        with pytest.raises(UserError, match="held-out rows, got"):
            half_width(np.array(residuals), percent / 100)


@given(st.lists(st.floats(0, 1e9), min_size=21, max_size=40, unique=True), st.integers(1, 95))
def test_of_exchangeable_rows_exactly_the_promised_share_is_covered(distances: list[float], percent: int) -> None:
    """Each row in turn is the new one, which is what exchangeability averages over."""
    rows = np.array(distances)
    covered = [rows[new] <= half_width(np.delete(rows, new), percent / 100) for new in range(len(rows))]
    assert sum(covered) == math.ceil(len(rows) * Fraction(percent, 100))


@pytest.mark.parametrize(("level", "rows"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.7, 3)])
def test_an_error_names_the_least_number_of_rows(level: float, rows: int) -> None:
    assert half_width(np.ones(rows), level) == 1
    with pytest.raises(
        UserError, match=rf"--interval {level:g}: expected at least {rows} held-out rows, got {rows - 1};"
    ):
        half_width(np.ones(rows - 1), level)


@pytest.mark.parametrize("level", [0.0, 1.0, 90.0, -0.1, math.nan])
def test_what_is_no_level_is_said(level: float) -> None:
    with pytest.raises(UserError, match=r"expected a probability between 0 and 1, such as 0\.9, got"):
        half_width(np.ones(1000), level)


def test_coverage_holds_for_heavy_tails_whose_width_varies() -> None:
    random = np.random.default_rng(0)
    tables, rows, level = 4000, 39, 0.9
    errors = random.standard_t(2, (tables, rows + 1)) * random.exponential(1, (tables, rows + 1))
    covered = [abs(new) <= half_width(held_out, level) for *held_out, new in errors]
    assert np.mean(covered) == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / tables))


@pytest.mark.parametrize("name", ["low", "high"])
def test_a_target_called_low_keeps_its_column(name: str) -> None:
    table = predicted_columns(Target(name, "gaussian"), np.array([1.0, 2.0]), half_width=0.5)
    assert table.to_dict("list") == {name: [1, 2], "lower bound": [0.5, 1.5], "upper bound": [1.5, 2.5]}
