"""Tables of what training ended with, by known answers."""

import numpy as np
import pandas as pd

from straightline.data import scaling
from straightline.training.fit import Fitted
from straightline.training.records import fold_history_table


def ended(monitored: list[float], best_epoch: int) -> Fitted:
    losses = np.array(monitored)
    return Fitted([], [], scaling.unscaled(1), best_epoch, losses, losses, 10 * len(losses), None)


def test_a_fit_that_has_stopped_counts_with_the_loss_of_the_weights_it_keeps() -> None:
    table = fold_history_table([ended([5.0, 1.0, 3.0], 2), ended([4.0, 3.0, 2.0, 1.5], 4), ended([6.0], 1)])
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    assert table["fits"].tolist() == [3, 2, 2, 1]
    assert table["median"].tolist() == [5.0, 3.0, 3.0, 1.5]
    columns = np.array([[5.0, 1.0, 3.0, 1.0], [4.0, 3.0, 2.0, 1.5], [6.0] * 4])
    pd.testing.assert_series_equal(table["low"], pd.Series(np.quantile(columns, 0.05, axis=0), name="low"))
    pd.testing.assert_series_equal(table["high"], pd.Series(np.quantile(columns, 0.95, axis=0), name="high"))


def test_a_fit_that_diverged_counts_with_its_best_and_leaves_no_gap() -> None:
    table = fold_history_table([ended([2.0, 1.0, np.nan], 2), ended([3.0, np.inf], 1)])
    assert table["median"].tolist() == [2.5, 2.0, 2.0]
    assert np.isfinite(table.to_numpy(float)).all()
