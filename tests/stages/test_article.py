"""The article's claims hold for what the default config trains: on held-out rows, and of what descent reached."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from straightline.data import balloons
from straightline.families import FAMILIES
from straightline.results.files import Results, load_results
from tests.conftest import run_stages


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, params: dict) -> Results:
    """The default config with two folds and one seed, which leave the final models as they are."""
    root: Path = tmp_path_factory.mktemp("article")
    run_stages(root, params | {"folds": params["folds"] | {"k": 2, "seeds": 1}}, pictures=False)
    return load_results(root)


def held_out(results: Results, target: str, model: str) -> np.ndarray:
    table = pd.read_parquet(results.variants[target, model].predictions)
    return FAMILIES[results.schema.targets[target].family].row_losses(table["truth"], table["prediction"])


@pytest.mark.parametrize(
    ("target", "known"), [("num_balloons", balloons.exact_linear_loss(0.1)), ("color", balloons.exact_logistic_loss())]
)
def test_regressions_are_as_good_as_a_line_can_be(results: Results, target: str, known: float) -> None:
    losses = held_out(results, target, "regression")
    assert abs(losses.mean() - known) < 3 * losses.std() / np.sqrt(len(losses))


@pytest.mark.parametrize(("target", "bound"), [("num_balloons", 1.2e-4), ("color", 0.0098)])
def test_networks_are_as_good_as_the_articles(results: Results, target: str, bound: float) -> None:
    assert held_out(results, target, "neural").mean() <= bound


def test_descent_reaches_the_linear_weights(results: Results) -> None:
    table = results.variants["num_balloons", "regression"].coefficients
    assert table is not None
    known = [balloons.exact_linear(0.1)[term] for term in table["term"]]
    np.testing.assert_allclose(table["trained"], known, atol=0.01)


def test_descent_reaches_the_logistic_ratio(results: Results) -> None:
    table = results.variants["color", "regression"].coefficients
    assert table is not None
    trained = table.set_index("term")["trained"]
    assert trained["children"] / trained["age"] == pytest.approx(16.5255 / 10.3709, rel=0.05)
    certificates = [variant.certificate for variant in results.variants.values() if variant.certificate]
    assert len(certificates) == 2
    assert all(certificate.converged for certificate in certificates)
