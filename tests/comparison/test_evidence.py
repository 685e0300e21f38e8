"""The ledger, and the parts of the spread of fold losses, against scipy's analysis of variance."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from straightline.comparison.evidence import choice_sentence, ledger, ridge_sentence, spread
from straightline.comparison.verdict import Ledger, Spread

LOSSES = hnp.arrays(
    float, hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=st.floats(0.125, 8, width=16)
)


def folds(losses: np.ndarray) -> pd.DataFrame:
    """Return folds.csv of `losses` `(folds, seeds)`, two folds a repeat, in an order of chance."""
    rows = [
        {"repeat": fold // 2, "fold": fold % 2, "seed": seed, "loss": loss, "epochs": 3, "steps": 30}
        for (fold, seed), loss in np.ndenumerate(losses)
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


@given(LOSSES)
def test_the_spread_is_that_of_an_analysis_of_variance(losses: np.ndarray) -> None:
    found = spread(folds(losses))
    within = losses.var(axis=1, ddof=1).mean()
    assert found.between_seeds == pytest.approx(within**0.5)
    if within > 1e-6 and losses.mean(axis=1).var() > 1e-6:
        ratio = stats.f_oneway(*losses).statistic
        assert found.between_folds**2 == pytest.approx(within * max(ratio - 1, 0) / losses.shape[1], rel=1e-6, abs=1e-9)
        assert found.seed_share == pytest.approx(min(1 / ratio, 1.0))


@given(LOSSES, st.floats(0.1, 10))
def test_the_spread_is_in_units_of_the_loss(losses: np.ndarray, unit: float) -> None:
    one, other = spread(folds(losses)), spread(folds(losses * unit))
    for key in ("between_folds", "between_seeds"):
        assert getattr(other, key) == pytest.approx(getattr(one, key) * unit, rel=1e-6, abs=1e-6)


def test_known_parts_are_found() -> None:
    random = np.random.default_rng(0)
    losses = 5 + 2 * random.normal(size=(4000, 1)) + 0.5 * random.normal(size=(4000, 3))
    found = spread(folds(losses))
    assert found.between_folds == pytest.approx(2, rel=0.04)
    assert found.between_seeds == pytest.approx(0.5, rel=0.04)
    assert found.seed_share == pytest.approx(0.25 / 3 / (4 + 0.25 / 3), rel=0.08)


def test_one_seed_tells_nothing_of_seeds() -> None:
    found = spread(folds(np.array([[1.0], [3.0]])))
    assert found == Spread(2**0.5, None, None)


def test_folds_that_do_not_differ_have_no_share() -> None:
    found = spread(folds(np.ones((4, 2))))
    assert found == Spread(0.0, 0.0, 0.0)


def test_the_ledger_counts_what_the_folds_took() -> None:
    assert ledger(folds(np.ones((4, 2)))) == Ledger(configs=1, fits=8, epochs=24, steps=240)


def test_a_choice_is_the_most_frequent_one_and_other_models_have_none() -> None:
    chosen = {"networks": 120, "hidden": ["64-64", "16-16", "64-64", "64-64"], "learning_rate": [0.01, 0.003] * 2}
    chosen |= {"l2": [0.0, 0.010001, 0.01, 0.009999], "line": [0.0, 0.5, 1.0, 0.1]}
    table = pd.DataFrame(chosen | {"candidates": 24})
    assert choice_sentence("neural", table) == (
        "neural chose among 24 networks in each of 4 folds: hidden layers 64-64 in 3, learning rate 0.003 in 2, L2 "
        "0.01 in 3; the mean share of the line is 0.40."
    )
    assert choice_sentence("neural", table.assign(candidates=1).iloc[:1]) == (
        "neural averages networks with hidden layers 64-64, learning rate 0.01 and L2 0; the mean share of the line is "
        "0.00."
    )
    assert choice_sentence("neural", folds(np.ones((4, 2)))) is None


@pytest.mark.parametrize(
    ("penalties", "penalty", "known"),
    [
        ([0.0, 0.0], 0.0, None),
        (
            [0.1, 0.0],
            0.1,
            "regression is better shrunk: ridge, chosen in 1 of 2 folds, lowers its loss by 25.0 %. The saved model is "
            "shrunk, with the penalty 0.1.",
        ),
        (
            [0.1, 0.1],
            0.0,
            "Ridge was chosen for regression in 2 of 2 folds and lowers its loss by 25.0 %. The saved model is not "
            "shrunk.",
        ),
        (
            [0.1, 0.1],
            0.1,
            "Ridge was chosen for regression in 2 of 2 folds and raises its loss by 50.0 %. The saved model is shrunk, "
            "with the penalty 0.1.",
        ),
    ],
)
def test_a_shrunk_regression_is_named(penalties: list[float], penalty: float, known: str | None) -> None:
    worse = known is not None and "raises" in known
    folds = pd.DataFrame({"l2": penalties, "loss": [1.0, 2.0], "plain_loss": [1.0, 1.0] if worse else [2.0, 2.0]})
    assert ridge_sentence("regression", folds, penalty) == known


def test_the_ledger_counts_all_networks_that_an_averaged_one_chose_from() -> None:
    averaged = folds(np.ones((4, 1))).assign(networks=120)
    assert ledger(averaged) == Ledger(configs=1, fits=480, epochs=12, steps=120)
