"""Successive halving: who goes on, by hand. Of 16 epochs the rungs are 2, 4 and 8."""

import numpy as np

from straightline.training.halving import Halving

# Two sets of rows with four candidates of two members each; the members of the second set watch 1 and 3 rows.
SETS = np.repeat([0, 1], 8)
CANDIDATES = np.tile(np.repeat(np.arange(4), 2), 2)
ROWS = np.array([2, 2] * 4 + [1, 3] * 4)


def monitored(values: dict[tuple[int, int], tuple[float, float]], epochs: int) -> np.ndarray:
    """Return losses that fall from 9 to the given ones in the last epoch."""
    losses = np.full((16, epochs), 9.0)
    for (row_set, candidate), pair in values.items():
        losses[(row_set == SETS) & (candidate == CANDIDATES), -1] = pair
    return losses


LOSSES = {(0, 0): (1, 2), (0, 1): (3, 3), (0, 2): (2, 2), (0, 3): (4, 4)}
LOSSES |= {(1, 0): (0, 4), (1, 1): (4, 0), (1, 2): (5, 5), (1, 3): (6, 6)}


def test_nobody_leaves_before_the_first_rung() -> None:
    assert not Halving(SETS, CANDIDATES, ROWS, epochs=16)(monitored(LOSSES, 1)).any()


def test_the_poorer_half_leaves_at_each_rung_by_the_loss_on_all_rows() -> None:
    halving = Halving(SETS, CANDIDATES, ROWS, epochs=16)
    assert np.unique(CANDIDATES[(SETS == 0) & ~halving(monitored(LOSSES, 2))]).tolist() == [0, 2]
    assert np.unique(CANDIDATES[(SETS == 1) & ~halving(monitored(LOSSES, 2))]).tolist() == [0, 1]
    gone = halving(monitored(LOSSES, 4))
    assert np.unique(CANDIDATES[(SETS == 0) & ~gone]).tolist() == [0]
    # 1 * 0 + 3 * 4 is more than 1 * 4 + 3 * 0.
    assert np.unique(CANDIDATES[(SETS == 1) & ~gone]).tolist() == [1]
    np.testing.assert_array_equal(halving.pooled(monitored(LOSSES, 8)[:, -1])[1], [np.inf, 1, np.inf, np.inf])


def test_a_late_call_decides_by_the_epochs_of_the_rung() -> None:
    late = np.hstack([monitored(LOSSES, 2), np.full((16, 2), 9.0) - CANDIDATES[:, np.newaxis]])
    halving = Halving(SETS, CANDIDATES, ROWS, epochs=16)
    assert np.unique(CANDIDATES[(SETS == 0) & ~halving(late)]).tolist() == [0]


def test_a_loss_that_is_not_finite_is_the_worst() -> None:
    halving = Halving(SETS, CANDIDATES, ROWS, epochs=16)
    broken = {**LOSSES, (0, 0): (np.nan, np.nan)}
    assert np.unique(CANDIDATES[(SETS == 0) & ~halving(monitored(broken, 2)[:, -1:].repeat(2, axis=1))]).tolist() == [
        1,
        2,
    ]
