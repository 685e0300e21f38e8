"""Chances depend on the seed and the row alone, and look like independent uniform numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from straightline.data.chance import chances, group_keys

ROWS = 100_000


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(1, 50))
def test_a_chance_does_not_depend_on_the_rows_beside_it(seed: int, first: int, count: int) -> None:
    block = chances(np.arange(first, first + count), seed)
    assert block.tolist() == [chances(np.array([row]), seed)[0] for row in range(first, first + count)]
    assert (block >= 0).all()
    assert (block < 1).all()


@pytest.mark.parametrize("seed", [(0,), (1,), (0, 1), (7, 2, 3)])
def test_chances_are_uniform_and_neighbours_are_independent(seed: tuple[int, ...]) -> None:
    values = chances(np.arange(ROWS), *seed)
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    pairs = np.histogram2d(values[1:], values[:-1], bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3


def test_seeds_are_independent() -> None:
    one, other = (chances(np.arange(ROWS), seed, 0) for seed in (0, 1))
    pairs = np.histogram2d(one, other, bins=10, range=[[0, 1], [0, 1]])[0]
    assert stats.chisquare(pairs.ravel()).pvalue > 1e-3


def test_equal_values_have_equal_keys_in_any_block() -> None:
    values = pd.Series(["a", "b", "a", "c"])
    keys = group_keys(values)
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3
    assert group_keys(values.iloc[3:])[0] == keys[3]
