"""Classes and counts that columns separate: found and named, and what stays finite equals a fit to the rows left."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import datasets

from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.families import FAMILIES, Family, Multinomial
from straightline.regression import exact
from straightline.regression.coefficients import coefficient_table
from straightline.regression.optimum import Inference, Optimum
from straightline.regression.separation import separating
from tests.regression.cases import table

FAMILY, POISSON = Multinomial(3), FAMILIES["poisson"]
IRIS_NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SPECIES = ["setosa", "versicolor", "virginica"]
VERSICOLOR, VIRGINICA = 1, 2
CLASSICAL = Inference()


def optimum_of(rows: Rows, classes: list[str], names: list[str], inference: Inference = CLASSICAL) -> Optimum:
    numbers, family = np.arange(len(rows), dtype=np.int32), Multinomial(len(classes))
    return exact.optima(held(rows), [numbers], family, names, inference=inference, classes=classes)[0]


def iris(order: list[str]) -> tuple[Rows, NDArray]:
    """Return iris with the species numbered in this order, and its target."""
    table = datasets.load_iris()
    numbers = np.array([order.index(name) for name in SPECIES])
    return Rows(table.data, numbers[table.target].astype(float)), table.target


def logit_of_the_two(**options: str) -> sm.Logit:
    """Return the plain logit of virginica against versicolor."""
    rows, target = iris(SPECIES)
    two = target != 0
    model = sm.Logit((target[two] == VIRGINICA).astype(float), sm.add_constant(rows.features[two]))
    return model.fit(disp=0, method="newton", maxiter=200, tol=1e-12, **options)


def test_a_species_apart_leaves_the_logit_of_the_other_two() -> None:
    """Setosa is far from both: what compares the others is finite, and is their plain logit."""
    rows, _ = iris(["versicolor", "setosa", "virginica"])
    found = optimum_of(rows, ["versicolor", "setosa", "virginica"], IRIS_NAMES)
    assert found.method == "firth"
    known = logit_of_the_two()
    assert found.identified.T.tolist() == [[False] * 5, [True] * 5]
    np.testing.assert_allclose(found.estimates[:, 1], known.params, rtol=1e-6)
    assert found.covariance is not None
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)[5:]), known.bse, rtol=1e-6)
    shown = coefficient_table(found, IRIS_NAMES, found.coefficients, 0.95, ["setosa", "virginica"])
    assert shown.loc[shown["class"] == "setosa", ["estimate", "std_error", "ci_low"]].isna().all(axis=None)
    np.testing.assert_allclose(shown.loc[shown["class"] == "virginica", "p_value"], known.pvalues, rtol=1e-5)
    message = found.messages[0]
    assert "versicolor from setosa" in message or "setosa from versicolor" in message
    assert "setosa from virginica" in message
    assert "versicolor from virginica" not in message
    assert message.startswith("the classes of some rows are separated by ")


@pytest.mark.parametrize("inference", [Inference(robust=True), Inference(sampling=True)])
def test_robust_errors_of_what_stays_finite_are_those_of_the_logit_of_the_other_two(
    inference: Inference,
) -> None:
    order = ["versicolor", "setosa", "virginica"]
    found = optimum_of(iris(order)[0], order, IRIS_NAMES, inference)
    known = logit_of_the_two(cov_type="HC0")
    assert found.errors == "sandwich"
    assert found.covariance is not None
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)[5:]), known.bse, rtol=1e-6)


def test_the_predictions_of_iris_do_not_depend_on_the_reference() -> None:
    shares = []
    for order in (["versicolor", "setosa", "virginica"], SPECIES):
        rows, _ = iris(order)
        found = optimum_of(rows, order, IRIS_NAMES)
        shares.append(FAMILY.inverse_link(found.predict(rows.features))[:, [order.index(name) for name in SPECIES]])
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-5)


def test_with_the_species_apart_as_the_reference_nothing_is_finite() -> None:
    rows, _ = iris(SPECIES)
    found = optimum_of(rows, SPECIES, IRIS_NAMES)
    assert not found.identified.any()
    assert found.method == "firth"


def test_classes_in_ranges_are_completely_separated() -> None:
    features = np.random.default_rng(0).normal(size=(60, 2))
    labels = np.digitize(features[:, 0], [-0.4, 0.5]).astype(float)
    found = optimum_of(Rows(features, labels), ["low", "middle", "high"], ["a", "b"])
    (message,) = found.messages
    assert message.startswith("the classes are separated by a")
    assert message.endswith(": no finite coefficients exist, Firth's estimate is used")
    assert found.covariance is None
    assert not found.identified.any()
    predicted = FAMILY.inverse_link(found.predict(features)).argmax(axis=1)
    assert (predicted == labels).mean() > 0.9


def test_one_class_at_a_level_of_a_column_leaves_the_rest() -> None:
    """Where the indicator is 1 all rows are of class c: the other coefficients are those without these rows."""
    rows = table(FAMILY, weighted=True)
    sure = np.random.default_rng(4).random(len(rows)) < 0.15
    labels = np.where(sure, 2.0, rows.labels)
    columns = np.column_stack([rows.features[:, :2], sure])
    found = optimum_of(replace(rows, features=columns, labels=labels), ["a", "b", "c"], ["x", "z", "sure"])
    assert found.method == "firth"
    assert found.messages[0].startswith("the classes of some rows are separated by sure")
    rest = Rows(rows.features[~sure, :2], labels[~sure], rows.weights[~sure])
    known = exact.optimum(rest, FAMILY, ["x", "z"])
    np.testing.assert_allclose(found.estimates[:3], known.estimates, rtol=1e-6)
    # Nothing is left of the difference between a and b where the indicator is 1.
    assert np.isnan(found.estimates[3]).all()
    kept = np.ix_([0, 1, 2, 4, 5, 6], [0, 1, 2, 4, 5, 6])
    assert found.covariance is not None
    np.testing.assert_allclose(found.covariance[kept], known.covariance, rtol=1e-6, atol=1e-10)


def test_a_class_that_a_level_excludes_leaves_the_comparison_of_the_others() -> None:
    """Where the indicator is 1 no row is of class c: a and b are still compared there."""
    rows = table(FAMILY, rows=200, weighted=False)
    never = np.random.default_rng(4).random(len(rows)) < 0.3
    labels = np.where(never & (rows.labels == 2), 0.0, rows.labels)
    columns = np.column_stack([rows.features[:, :1], never])
    found = optimum_of(Rows(columns, labels), ["a", "b", "c"], ["x", "never"])
    assert found.method == "firth"
    assert found.identified.T.tolist() == [[True, True, True], [True, True, False]]
    message = found.messages[0]
    assert message.startswith("the classes of some rows are separated by never")
    # The optimum among the classes that are left: a large negative coefficient comes as close as one likes.
    far = Rows(np.column_stack([columns, never]), labels)
    limit = np.zeros((3, 2))
    limit[:, 0], limit[:2, 1], limit[2, 1] = found.estimates[:, 0], found.estimates[:2, 1], -40.0
    predictor = limit[0] + columns @ limit[1:]
    least = FAMILY.predictor_losses(predictor, far.labels).mean()
    random = np.random.default_rng(0)
    for _ in range(30):
        moved = limit + random.normal(size=limit.shape) * 10.0 ** random.uniform(-4, 0)
        moved[2, 1] = -40.0
        assert FAMILY.predictor_losses(moved[0] + columns @ moved[1:], labels).mean() > least


@given(st.integers(0, 999))
def test_classes_that_overlap_are_not_separated(seed: int) -> None:
    rows = table(FAMILY, rows=60, seed=seed)
    design = np.column_stack([np.ones(60), (rows.features - rows.features.mean(0)) / rows.features.std(0)])
    found = exact.optimum(rows, FAMILY, ["a", "b", "c"])
    separation = separating(design, rows, FAMILY)
    assert (separation is None) == (found.method == "exact")
    if separation is None:
        assert np.abs(found.predict(rows.features)).max() < 25


@pytest.mark.parametrize("family", [FAMILIES["bernoulli"], FAMILY, POISSON], ids=lambda family: family.name)
def test_a_rare_level_of_many_rows_is_found(family: Family) -> None:
    """The fewer the rows of the level, the sooner the iterations end, since they hardly change the mean loss."""
    random, rows = np.random.default_rng(0), 12_000
    rare = np.zeros(rows)
    rare[7] = 1.0
    x = random.normal(size=rows)
    predictor = np.column_stack([x, -x])[:, : family.outputs].reshape(rows, -1)
    labels = family.draw(predictor if family.outputs > 1 else predictor[:, 0], family.noises[0], 1.0, random)
    labels[7] = 0.0
    found = exact.optimum(Rows(np.column_stack([x, rare]), labels), family, ["x", "rare"])
    assert found.method == "firth"
    known = exact.optimum(Rows(np.delete(x, 7)[:, np.newaxis], np.delete(labels, 7)), family, ["x"])
    np.testing.assert_allclose(found.estimates[:2], known.coefficients, rtol=1e-6)
    assert np.isnan(found.estimates[2]).all()


# Counts


@pytest.mark.parametrize("level", [0.0, 1e-3, 5.0, 12.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_level_of_zeros_alone_leaves_the_fit_without_its_rows(level: float, weighted: bool) -> None:
    random = np.random.default_rng(3)
    never = (random.random(150) < 0.2).astype(float)
    x, offset = random.normal(size=150), random.normal(size=150)
    labels = random.poisson(np.exp(level + 0.3 * x + offset)) * (1 - never)
    weights = random.integers(1, 4, 150).astype(float) if weighted else None
    rows = Rows(np.column_stack([x, never]), labels, weights, offset)
    found = exact.optimum(rows, POISSON, ["x", "never"])
    assert found.method == "firth"
    assert found.messages[0] == (
        "the count is 0 in all rows with certain values of never: their coefficients are infinite, only the finite "
        "ones are shown, and Firth's estimate is used to predict"
    )
    rest = rows.take(np.flatnonzero(never == 0).astype(np.int32))
    known = exact.optimum(replace(rest, features=rest.features[:, :1]), POISSON, ["x"])
    np.testing.assert_allclose(found.estimates, [*known.coefficients, np.nan], rtol=1e-7)
    assert found.covariance is not None
    np.testing.assert_allclose(found.covariance[:2, :2], known.covariance, rtol=1e-6)


@pytest.mark.parametrize("options", [{"robust": True}, {"sampling": True}, {"quasi": True}], ids=str)
def test_what_stays_finite_has_the_errors_that_were_asked_for(options: dict[str, bool]) -> None:
    random = np.random.default_rng(3)
    sure = (random.random(150) < 0.2).astype(float)
    x, weights = random.normal(size=150), random.integers(1, 4, 150) * 1.0
    for family in (FAMILIES["bernoulli"], POISSON):
        labels = family.draw(0.3 * x, family.noises[0], 1.0, random) * (1 - sure)
        rows = Rows(np.column_stack([x, sure]), labels, weights)
        found = exact.optimum(rows, family, ["x", "sure"], **options)
        assert found.method == "firth"
        rest = rows.take(np.flatnonzero(sure == 0).astype(np.int32))
        known = exact.optimum(replace(rest, features=rest.features[:, :1]), family, ["x"], **options)
        assert found.covariance is not None
        np.testing.assert_allclose(found.covariance[:2, :2], known.covariance, rtol=1e-6)
        assert (found.errors, found.degrees_of_freedom) == (known.errors, known.degrees_of_freedom)
        assert found.dispersion == (pytest.approx(known.dispersion) if known.dispersion is not None else None)


def test_zeros_here_and_there_are_no_separation() -> None:
    random = np.random.default_rng(3)
    group = (random.random(150) < 0.2).astype(float)
    labels = random.poisson(np.exp(-1 - 2 * group)).astype(float)
    labels[np.flatnonzero(group)[0]] = 1.0
    found = exact.optimum(Rows(group[:, np.newaxis], labels), POISSON, ["group"])
    assert found.method == "exact"
    rates = [labels[group == value].mean() for value in (0, 1)]
    np.testing.assert_allclose(found.coefficients, [np.log(rates[0]), np.log(rates[1] / rates[0])], rtol=1e-9)


def test_counts_of_zeros_and_one_row_are_separated_as_far_as_they_are() -> None:
    """Only zeros are on one side of the largest column value that has a positive count."""
    x = np.linspace(-1, 1, 40)
    labels = np.zeros(40)
    labels[10] = 3.0
    found = exact.optimum(Rows(x[:, np.newaxis], labels), POISSON, ["x"])
    assert found.method == "exact"  # Zeros are on both sides of the only positive count, none is beyond all others.
    labels = np.where(x > 0.9, 2.0, 0.0)
    found = exact.optimum(Rows(x[:, np.newaxis], labels), POISSON, ["x"])
    assert np.isfinite(found.coefficients).all()
