"""How many folds and seeds a table gets."""

from dataclasses import replace

import numpy as np
import pytest

from straightline.config.settings import parse
from straightline.training.plan import fold_plan
from tests.builders import training_table


@pytest.mark.parametrize(
    ("rows", "repeats", "seeds"), [(354, 10, 3), (5_000, 5, 3), (100_000, 1, 3), (5_000_000, 1, 1)]
)
def test_the_folds_follow_the_size_of_the_table(params: dict, rows: int, repeats: int, seeds: int) -> None:
    config = parse(params)
    table = training_table(np.zeros((rows, 3)), np.zeros(rows))
    plans = [fold_plan(table, config.models[name], config.fit, config.folds) for name in ("regression", "neural")]
    assert {plan.repeats for plan in plans} == {repeats}
    assert plans[1].seeds == seeds
    costly = replace(config.models["neural"], hidden=[512, 512])
    assert fold_plan(table, costly, config.fit, config.folds).repeats == repeats
    assert fold_plan(table, costly, config.fit, config.folds).seeds == 1
    own = replace(config.folds, repeats=4, seeds=5)
    assert fold_plan(table, config.models["neural"], config.fit, own) == own
