"""Counts that vary too much or are 0 too often are told, Poisson counts are not; standard errors allow for it."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from statsmodels.discrete.diagnostic import PoissonDiagnostic

from straightline.data.rows import Rows
from straightline.data.scaling import moments
from straightline.data.source import held
from straightline.families import FAMILIES, Family
from straightline.formatting import percent
from straightline.regression import exact
from straightline.regression.dispersion import variation
from straightline.regression.standardized import Standardized
from tests.regression.cases import NAMES, copies, every_family, table

POISSON, GAMMA = FAMILIES["poisson"], FAMILIES["gamma"]
ROWS = 600


def counts(kind: str, seed: int = 0, exposure: float | None = None) -> Rows:
    """Return counts of a `kind` about the same means, with weights, and offsets about the exposure if there is one."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(ROWS, 2))
    offset = None if exposure is None else np.log(exposure) + random.normal(size=ROWS)
    mean = np.exp(0.8 + features @ [0.4, -0.3] + (0 if offset is None else offset))
    draws = {
        "poisson": lambda: random.poisson(mean),
        "negative binomial": lambda: random.poisson(mean * random.gamma(1.5, 1 / 1.5, ROWS)),
        "zero-inflated": lambda: random.poisson(mean) * (random.random(ROWS) > 0.3),
        "steady": lambda: random.binomial(40, np.minimum(mean / 40, 0.5)),
        "never 0": lambda: 1 + random.poisson(mean),
    }
    return Rows(features, draws[kind]().astype(float), random.integers(1, 4, ROWS) * 1.0, offset)


def told(rows: Rows, **options: bool) -> list[str]:
    """Return which of the two is told: overdispersion, excess zeros."""
    messages = exact.optimum(rows, POISSON, ["a", "b"], **options).messages
    words = ("overdispersion", "excess zeros")
    assert all(any(word in message for word in words) for message in messages)
    return [word for word in words if any(word in message for message in messages)]


@pytest.mark.parametrize("exposure", [None, 0.05, 20.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_poisson_counts_are_as_they_should_be(exposure: float | None, weighted: bool) -> None:
    for seed in range(8):
        rows = counts("poisson", seed, exposure)
        # Weights of counts that were not drawn so often would be taken for a larger variance.
        rows = replace(rows, weights=np.full(ROWS, 1.0) if weighted else None)
        assert told(rows) == []


def test_the_score_of_overdispersion_is_statsmodels() -> None:
    rows = replace(counts("negative binomial"), weights=None)
    known = sm.Poisson(rows.labels, sm.add_constant(rows.features)).fit(disp=0, tol=1e-12)
    standardized = Standardized(moments(rows))
    sums = variation(standardized, POISSON, standardized.weights(known.params)).compute(rows).counts
    dean_b = PoissonDiagnostic(known).test_dispersion().statistic[1]
    assert sums[0] / np.sqrt(sums[1]) == pytest.approx(dean_b, rel=1e-9)


def test_steady_counts_and_counts_without_zeros_are_no_problem() -> None:
    for kind in ("steady", "never 0"):
        assert told(replace(counts(kind), weights=None)) == []


def test_counts_that_vary_more_are_told() -> None:
    assert "overdispersion" in told(counts("negative binomial"))
    assert "overdispersion" in told(counts("negative binomial", exposure=20.0))


def test_excess_zeros_are_told() -> None:
    assert "excess zeros" in told(counts("zero-inflated"))
    rows = counts("zero-inflated")
    best = exact.optimum(rows, POISSON, ["a", "b"])
    (message,) = (each for each in best.messages if "excess" in each)
    share = np.average(rows.labels == 0, weights=rows.weights)
    expected = np.average(np.exp(-np.exp(best.predict(rows.features))), weights=rows.weights)
    assert message.startswith(f"{percent(share)} of the counts are 0")
    assert f"has {percent(expected)} (excess zeros)" in message


def test_what_is_told_is_that_of_copies_of_the_rows() -> None:
    for kind in ("negative binomial", "zero-inflated"):
        rows = counts(kind)
        found, known = (exact.optimum(each, POISSON, ["a", "b"]) for each in (rows, copies(rows)))
        assert found.messages == known.messages
        assert len(found.messages) >= 1


def test_folds_say_nothing_of_it() -> None:
    """Without inference, messages that concern only standard errors are left out."""
    numbers = np.arange(ROWS, dtype=np.int32)
    rows = counts("negative binomial")
    (found,) = exact.optima(held(rows), [numbers], POISSON, ["a", "b"], inference=None)
    assert (found.messages, found.covariance, found.dispersion) == ([], None, None)


def test_quasi_errors_are_wider_by_the_root_of_the_dispersion() -> None:
    rows = counts("negative binomial", exposure=3.0)
    plain, quasi = (exact.optimum(rows, POISSON, ["a", "b"], quasi=each) for each in (False, True))
    np.testing.assert_array_equal(quasi.coefficients, plain.coefficients)
    assert quasi.dispersion == plain.dispersion
    assert quasi.dispersion is not None
    assert quasi.dispersion > 1.5
    np.testing.assert_allclose(quasi.covariance, plain.covariance * quasi.dispersion, rtol=1e-12)
    assert (plain.degrees_of_freedom, quasi.degrees_of_freedom) == (np.inf, rows.total - 3)
    advice = ["standard errors are too small: set models.regression.quasi=true", "standard errors allow for it"]
    for fitted, words in zip((plain, quasi), advice, strict=True):
        assert any(words in message for message in fitted.messages)


@pytest.mark.parametrize("family", [POISSON, GAMMA], ids=["poisson", "gamma"])
def test_the_dispersion_is_pearsons(family: Family) -> None:
    rows = table(family)
    found = exact.optimum(rows, family, NAMES)
    mean = np.exp(rows.shifted(found.predict(rows.features)))
    squares = (rows.labels - mean) ** 2 / (mean if family is POISSON else mean**2)
    assert found.dispersion == pytest.approx(rows.weights @ squares / (rows.total - 4), rel=1e-10)


def test_the_dispersion_of_drawn_amounts_is_their_squared_coefficient_of_variation() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(50_000, 2))
    labels = GAMMA.draw(0.3 + features @ [0.5, -0.2], "gamma", 0.6, random)
    found = exact.optimum(Rows(features, labels), GAMMA, ["a", "b"])
    assert found.dispersion == pytest.approx(0.36, rel=0.02)


@every_family
def test_standard_errors_have_the_name_of_their_kind(family: Family) -> None:
    rows = table(family)
    usual = "expected information" if family.name == "gamma" else "classical"
    robust = "HC3" if family.name == "gaussian" else "sandwich"
    names = {"robust": robust, "sampling": robust, "quasi": usual}
    assert exact.optimum(rows, family, NAMES).errors == usual
    for option, name in names.items():
        assert exact.optimum(rows, family, NAMES, **{option: True}).errors == name


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_the_sandwich_has_the_observed_curvature(name: str) -> None:
    """No assumption about the variance is in it, so that the curvature is not the expected one either."""
    family = FAMILIES[name]
    rows = table(family, rows=400)
    found = exact.optimum(rows, family, NAMES, robust=True)
    design = np.column_stack([np.ones(400), rows.features])
    mean = np.exp(rows.shifted(design @ found.coefficients))
    if family is GAMMA:
        residual, curvature = rows.labels / mean - 1, rows.labels / mean
    else:
        residual, curvature = rows.labels - mean, mean
    bread = np.linalg.inv((design.T * (rows.weights * curvature)) @ design)
    meat = (design.T * (rows.weights * residual**2)) @ design
    np.testing.assert_allclose(found.covariance, bread @ meat @ bread, rtol=1e-5, atol=1e-12)


def test_amounts_with_expected_and_observed_information_differ() -> None:
    rows = table(GAMMA, weighted=False, shifted=False)
    found = exact.optimum(rows, GAMMA, NAMES)
    model = sm.GLM(rows.labels, sm.add_constant(rows.features), family=sm.families.Gamma(sm.families.links.Log()))
    known = model.fit(tol=1e-13, maxiter=100)

    def errors(covariance: NDArray) -> NDArray:
        return np.sqrt(np.diag(covariance))

    np.testing.assert_allclose(errors(found.covariance), known.bse, rtol=1e-6)
    observed = np.linalg.inv(-model.hessian(known.params, scale=known.scale, observed=True))
    assert np.abs(errors(observed) / known.bse - 1).max() > 1e-3
