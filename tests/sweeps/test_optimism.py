"""How far the lowest loss of many configs is too low."""

import numpy as np
import pytest

from straightline.sweeps.optimism import optimism


@pytest.mark.parametrize("folds", [5, 10, 50])
def test_where_configs_differ_by_chance_alone_all_of_the_lead_is_optimism(folds: int) -> None:
    """The winner of equal configs is no better than their mean: its corrected loss is the mean of all, on average."""
    random = np.random.default_rng(0)
    leads, found = [], []
    for _ in range(100):
        losses = 3 + random.normal(size=(40, folds)) + 10 * random.normal(size=folds)  # Folds differ far more.
        leads.append(losses.mean() - losses.mean(axis=1).min())
        found.append(optimism(losses, 0))
    error = np.std(np.array(found) - leads) / np.sqrt(100)
    assert np.mean(found) == pytest.approx(np.mean(leads), abs=4 * error)


def test_a_config_that_is_best_in_each_fold_owes_nothing_to_its_selection() -> None:
    by_fold = np.random.default_rng(1).normal(size=10)
    losses = by_fold + np.array([[0.0], [1.0], [2.0]]) + np.zeros((3, 10))
    assert optimism(losses, 0) == pytest.approx(0, abs=1e-12)
    assert optimism(losses[:1], 0) == 0


def test_it_is_that_of_a_loop_over_bootstrap_samples() -> None:
    losses = np.random.default_rng(2).normal(size=(6, 8))
    random = np.random.default_rng(5)
    samples = random.multinomial(8, np.full(8, 1 / 8), 1000)
    relative = losses - losses.mean(axis=0)
    scores = []
    for counts in samples:
        if counts.all():
            continue
        best = min(range(6), key=lambda config: np.average(losses[config], weights=counts))
        scores.append(np.mean([relative[best, fold] for fold in range(8) if not counts[fold]]))
    assert optimism(losses, 5) == pytest.approx(np.mean(scores) - relative.mean(axis=1).min(), rel=1e-12)
