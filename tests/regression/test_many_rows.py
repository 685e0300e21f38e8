"""Tables of many rows: read in groups, and from a first guess by a sample to the optimum of all rows."""

import numpy as np
import pytest

from straightline.data import source
from straightline.data.rows import Rows
from straightline.families import FAMILIES, Family
from straightline.regression import estimation, exact
from tests.regression.cases import NAMES, every_family, same_optimum, table


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of 400 rows count as those of 200,000."""
    monkeypatch.setattr(source, "MANY_ROWS", 100)
    monkeypatch.setattr(source, "GROUP_ROWS", 64)
    monkeypatch.setattr(estimation, "SAMPLE_ROWS", 20)


@every_family
@pytest.mark.parametrize("weighted", [False, True])
def test_groups_and_samples_lead_to_the_same_optimum(
    family: Family, weighted: bool, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    rows = table(family, 1_000, weighted=weighted)
    known = exact.optimum(rows, family, NAMES)
    request.getfixturevalue("small_limits")
    monkeypatch.setattr(estimation, "SAMPLE_ROWS", 40)
    assert len(source.held_in_groups(rows).groups) == 16
    same_optimum(exact.optimum(rows, family, NAMES), known, 1e-6)


@pytest.mark.usefixtures("small_limits")
def test_a_sample_without_an_optimum_is_left_aside() -> None:
    """Every row of the sample is separated, and the others are not."""
    family, random = FAMILIES["bernoulli"], np.random.default_rng(0)
    features = random.normal(size=(1_000, 1))
    labels = (random.random(1_000) < 0.5).astype(float)
    sampled = np.concatenate([first + np.arange(0, min(64, 1_000 - first), 50) for first in range(0, 1_000, 64)])
    labels[sampled] = features[sampled, 0] > 0
    rows = Rows(features, labels)
    found = exact.optimum(rows, family, ["x"])
    assert found.method == "exact"
    np.testing.assert_allclose(
        found.coefficients,
        exact.optima(source.held(rows), [np.arange(1_000, dtype=np.int32)], family, ["x"])[0].coefficients,
        rtol=1e-9,
    )


@pytest.mark.usefixtures("small_limits")
def test_separated_rows_are_found_among_many() -> None:
    x = np.linspace(-1, 1, 1_000)[:, np.newaxis]
    found = exact.optimum(Rows(x, (x[:, 0] > 0).astype(float)), FAMILIES["bernoulli"], ["x"])
    assert found.method == "firth"
