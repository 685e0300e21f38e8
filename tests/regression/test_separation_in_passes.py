"""Separated labels of many rows, found and fitted in passes, as those of rows in memory."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from straightline.data import source
from straightline.data.rows import Rows
from straightline.families import FAMILIES, Family, Multinomial
from straightline.regression import estimation, exact
from straightline.regression.optimum import Optimum

ROWS = 600


def rare_level(random: np.random.Generator) -> tuple[NDArray, NDArray, Family]:
    """Two columns and a level of 9 rows, which all have the label 0."""
    features = np.column_stack([random.normal(size=(ROWS, 2)), np.arange(ROWS) % 67 == 0])
    labels = (random.random(ROWS) < 1 / (1 + np.exp(-features[:, 0]))).astype(float)
    labels[features[:, 2] == 1] = 0
    return features, labels, FAMILIES["bernoulli"]


def complete(random: np.random.Generator) -> tuple[NDArray, NDArray, Family]:
    """Two columns, a combination of which separates the classes."""
    features = random.normal(size=(ROWS, 2))
    return features, (features @ [1, 2] > 0.3).astype(float), FAMILIES["bernoulli"]


def counts(random: np.random.Generator) -> tuple[NDArray, NDArray, Family]:
    """A level whose counts are all 0."""
    features = np.column_stack([random.normal(size=ROWS), np.arange(ROWS) % 50 == 0])
    labels = random.poisson(np.exp(0.5 * features[:, 0])).astype(float)
    labels[features[:, 1] == 1] = 0
    return features, labels, FAMILIES["poisson"]


def classes(random: np.random.Generator) -> tuple[NDArray, NDArray, Family]:
    """A level in which one of three classes is absent."""
    features = np.column_stack([random.normal(size=ROWS), np.arange(ROWS) % 40 == 0])
    noise = random.gumbel(size=(ROWS, 3))
    labels = (np.column_stack([0 * features[:, 0], features[:, 0], -features[:, 0]]) + noise).argmax(axis=1)
    labels[(features[:, 1] == 1) & (labels == 2)] = 1
    return features, labels.astype(float), Multinomial(3)


Case = Callable[[np.random.Generator], tuple[NDArray, NDArray, Family]]


def fitted(rows: Rows, family: Family) -> Optimum:
    names = [f"x{number}" for number in range(rows.features.shape[1])]
    return exact.optimum(rows, family, names)


@pytest.mark.parametrize("weights", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("case", [rare_level, complete, counts, classes])
def test_in_passes_and_in_memory(case: Case, weights: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    features, labels, family = case(random)
    rows = Rows(np.asfortranarray(features), labels, random.integers(1, 4, ROWS).astype(float) if weights else None)
    held = fitted(rows, family)
    monkeypatch.setattr(estimation, "LARGE_ROWS", 100)
    monkeypatch.setattr(source, "MANY_ROWS", 50)
    monkeypatch.setattr(source, "GROUP_ROWS", 64)
    passed = fitted(rows, family)
    assert held.method == passed.method == "firth"
    assert passed.messages == held.messages
    np.testing.assert_allclose(passed.coefficients, held.coefficients, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(passed.estimates, held.estimates, rtol=1e-7, atol=1e-8)
    assert (passed.covariance is None) == (held.covariance is None)
    if held.covariance is not None and passed.covariance is not None:
        np.testing.assert_allclose(passed.covariance, held.covariance, rtol=1e-6, atol=1e-9)
    assert passed.loss == pytest.approx(held.loss, rel=1e-6)
