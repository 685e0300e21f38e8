"""The winner of a sweep on pure noise: it was selected for its luck, and is not called better for it."""

from contextlib import nullcontext

import numpy as np
import pytest

from straightline.data.rows import Rows
from straightline.sweeps.selection import Selected, winner
from straightline.sweeps.trainer import Trainer
from tests.builders import labels_of, training_table
from tests.sweeps.cases import space_of

SPACE = ("models.neural.learning_rate=0.001,0.01", "models.neural.l2=0,0.1", "fit.seed=range(0,50)", "data=diabetes")


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("columns", [3, 30])
def test_a_winner_of_200_configs_on_noise_is_not_called_better(family: str, columns: int) -> None:
    of = space_of(*SPACE, "effort=single", "folds.repeats=1", "folds.seeds=1", "fit.epochs=100")
    configs = [of.config(point) for point in of.points()]
    assert len(configs) == 200
    random = np.random.default_rng(11)
    features = random.normal(size=(100, columns))
    table = training_table(features, labels_of(random.normal(size=100), family), family, list(map(str, range(columns))))
    scored = Trainer(table, "neural", table.split.folds(100, 10, 1, 0), 1).scored(configs)
    losses = np.array([found.losses for found in scored])
    best = configs[int(losses.mean(axis=1).argmin())]
    selected = Selected("neural", 200, losses)
    nothing = Rows(np.empty((0, columns)), np.empty(0))
    found = winner(table, best, selected, nothing, lambda *_: nullcontext(lambda *now: None))
    assert found.finding != "challenger_better"
