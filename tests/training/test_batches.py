"""The batches of an epoch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from straightline.training.batches import epoch_batches, epoch_rows


@given(
    count=st.integers(0, 60),
    size=st.integers(1, 40),
    steps=st.integers(1, 30),
    first=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_an_epoch_visits_every_row_before_any_again(count: int, size: int, steps: int, first: int, seed: int) -> None:
    rows = np.arange(10, 10 + count)
    batches = epoch_batches(rows, size, steps, 5, np.random.default_rng(seed))
    assert batches.shape == (5, steps, size)
    full = max(-(-count // size), 1)
    for epoch in batches:
        assert (epoch >= 0).sum() == epoch_rows(count, size, steps)
        for start in range(0, steps, full):
            seen = epoch[start : start + full].ravel()
            seen = seen[seen >= 0]
            assert len(set(seen)) == len(seen)
            assert set(seen) <= set(rows)
            assert start + full > steps or len(seen) == count
    random = np.random.default_rng(seed)
    parts = [epoch_batches(rows, size, steps, epochs, random) for epochs in (first, 5 - first)]
    np.testing.assert_array_equal(np.concatenate(parts), batches)
