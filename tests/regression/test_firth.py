"""Firth's penalised estimate of separated classes and counts: closed forms, and the maximum that it has to be."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.data.scaling import moments
from straightline.families import FAMILIES, Family, Multinomial
from straightline.regression import exact
from straightline.regression.standardized import Standardized
from tests.regression.cases import copies

FAMILY = Multinomial(3)
POISSON = FAMILIES["poisson"]
NAMES = ["a", "b"]


def separated_classes(rows: int = 60) -> Rows:
    """Return classes that thresholds of the first column separate, with weights."""
    random = np.random.default_rng(0)
    features = random.normal(size=(rows, 2)) * [1, 20] + [0, 300]
    return Rows(features, np.digitize(features[:, 0], [-0.5, 0.4]).astype(float), random.integers(1, 4, rows) * 1.0)


def separated_counts(rows: int = 60) -> Rows:
    """Return counts that are 0 wherever the second column is 1, with weights and offsets."""
    random = np.random.default_rng(0)
    never = (random.random(rows) < 0.3).astype(float)
    features = np.column_stack([random.normal(size=rows) * 20 + 300, never])
    offset = random.normal(size=rows) * 0.5
    labels = random.poisson(np.exp(0.02 * (features[:, 0] - 300) + 0.5 + offset)) * (1 - never)
    return Rows(features, labels, random.integers(1, 4, rows) * 1.0, offset)


CASES = {"classes": (FAMILY, separated_classes), "counts": (POISSON, separated_counts)}
every_case = pytest.mark.parametrize(("family", "make"), CASES.values(), ids=CASES)


def penalized(family: Family, rows: Rows, coefficients: NDArray) -> float:
    """Return the log-likelihood plus half the log-determinant of the information, all in the columns' units."""
    design = np.column_stack([np.ones(len(rows)), rows.features])
    predictor = rows.shifted(design @ coefficients)
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    if family.outputs == 1:
        mean = np.exp(predictor)
        likelihood = weights @ (rows.labels * predictor - mean)
        information = (design.T * (weights * mean)) @ design
    else:
        shares = family.inverse_link(predictor)
        likelihood = weights @ np.log(shares[np.arange(len(rows)), rows.labels.astype(int)])
        information = sum(
            weight * np.kron(np.diag(share[1:]) - np.outer(share[1:], share[1:]), np.outer(row, row))
            for weight, share, row in zip(weights, shares, design, strict=True)
        )
    return float(likelihood + np.linalg.slogdet(information)[1] / 2)


@every_case
def test_it_is_the_maximum_of_the_penalised_likelihood(family: Family, make: Callable[[], Rows]) -> None:
    rows = make()
    best = exact.optimum(rows, family, NAMES)
    assert best.method == "firth"
    highest = penalized(family, rows, best.coefficients)
    standardized = Standardized(moments(rows), outputs=family.outputs)
    for step in 1e-3 * np.eye(best.coefficients.size):
        move = standardized.coefficients(step)
        above, below = (penalized(family, rows, best.coefficients + sign * move) for sign in (1, -1))
        curvature = (above - 2 * highest + below) / 1e-6
        assert curvature < 0
        assert abs(above - below) / 2e-3 < 1e-4 * np.sqrt(-curvature)
    random = np.random.default_rng(1)
    for size in 10.0 ** random.uniform(-3, 1, 20):
        move = standardized.coefficients(size * random.normal(size=best.coefficients.size))
        assert penalized(family, rows, best.coefficients + move) < highest


@every_case
def test_a_weight_equals_so_many_rows(family: Family, make: Callable[[], Rows]) -> None:
    rows = make()
    found, known = (exact.optimum(each, family, NAMES) for each in (rows, copies(rows)))
    assert (found.method, found.messages) == (known.method, known.messages)
    np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.estimates, known.estimates, rtol=1e-6)
    assert found.loss == pytest.approx(known.loss, rel=1e-6)
    if found.covariance is not None:
        np.testing.assert_allclose(found.covariance, known.covariance, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("order", [[1, 0, 2], [2, 1, 0], [1, 2, 0]])
def test_the_reference_changes_no_prediction(order: list[int]) -> None:
    rows = separated_classes()
    relabelled = replace(rows, labels=np.array(order, float)[rows.labels.astype(int)])
    plain, other = (exact.optimum(each, FAMILY, NAMES) for each in (rows, relabelled))
    assert other.method == "firth"
    shares = FAMILY.inverse_link(plain.predict(rows.features))
    np.testing.assert_allclose(
        FAMILY.inverse_link(other.predict(rows.features))[:, order], shares, rtol=1e-4, atol=1e-9
    )


def test_units_change_no_prediction() -> None:
    for family, make in CASES.values():
        rows = make()
        moved = replace(rows, features=rows.features * [1e3, 1e-4] + [7, -2])
        plain, other = (exact.optimum(each, family, NAMES) for each in (rows, moved))
        np.testing.assert_allclose(other.predict(moved.features), plain.predict(rows.features), rtol=1e-5, atol=1e-6)


def test_collinear_columns_change_no_prediction() -> None:
    for family, make in CASES.values():
        rows = make()
        more = replace(rows, features=np.column_stack([rows.features, rows.features @ [1.0, -2.0], np.ones(60)]))
        plain, other = exact.optimum(rows, family, NAMES), exact.optimum(more, family, [*NAMES, "c", "one"])
        assert other.method == "firth"
        np.testing.assert_allclose(other.predict(more.features), plain.predict(rows.features), rtol=1e-4, atol=1e-6)


def test_rounding_errors_end_the_steps() -> None:
    """Counts from 0 to 10^12 leave an increase of the likelihood that no step can find."""
    random = np.random.default_rng(5)
    features = random.normal(size=(40, 3))
    features[:, 1] = np.exp(3 * features[:, 1])
    never = (random.random(40) < 0.2).astype(float)
    labels = np.round(np.exp(np.clip(14 * features[:, 0] + 3, -2, 28))) * (1 - never)
    best = exact.optimum(Rows(np.column_stack([features, never]), labels), POISSON, ["a", "b", "c", "never"])
    assert best.method == "firth"
    assert "Firth's estimate has not fully converged" not in best.messages


# Closed forms (Firth 1993, section 3.1): half a row is added to each class, or half to the count, of each group.


def test_groups_of_classes_get_half_a_row_each() -> None:
    counts = np.array([[6, 0, 3], [2, 5, 0]])  # of classes, by group
    groups, labels = np.nonzero(counts)
    rows = Rows(groups[:, np.newaxis].astype(float), labels.astype(float), counts[groups, labels].astype(float))
    best = exact.optimum(rows, FAMILY, ["second"])
    assert best.method == "firth"
    expected = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1.5)
    np.testing.assert_allclose(FAMILY.inverse_link(best.predict(np.array([[0.0], [1.0]]))), expected, rtol=1e-5)


def test_groups_of_counts_get_half_a_count_each() -> None:
    labels, groups = np.array([0.0, 0, 0, 2, 0, 5]), np.array([1.0, 1, 1, 0, 0, 0])
    exposure, weights = np.array([1.0, 2, 4, 1, 3, 2]), np.array([1.0, 2, 1, 3, 1, 1])
    best = exact.optimum(Rows(groups[:, np.newaxis], labels, weights, np.log(exposure)), POISSON, ["group"])
    assert best.method == "firth"
    expected = [(weights * labels)[groups == g].sum() + 0.5 for g in (0, 1)]
    expected /= np.array([(weights * exposure)[groups == g].sum() for g in (0, 1)])
    np.testing.assert_allclose(np.exp(best.predict(np.array([[0.0], [1.0]]))), expected, rtol=1e-6)


def test_more_columns_than_rows_are_saturated() -> None:
    """Each row is a group of its own."""
    features, names = np.random.default_rng(0).normal(size=(5, 8)), [f"x{number}" for number in range(8)]
    labels = np.array([0.0, 1, 2, 0, 1])
    best = exact.optimum(Rows(features, labels), FAMILY, names)
    assert best.method == "firth"
    assert not best.identified.any()
    expected = (np.eye(3)[labels.astype(int)] + 0.5) / 2.5
    np.testing.assert_allclose(FAMILY.inverse_link(best.predict(features)), expected, rtol=1e-5)
    counts = exact.optimum(Rows(features, labels), POISSON, names)
    assert counts.method == "firth"
    np.testing.assert_allclose(np.exp(counts.predict(features)), labels + 0.5, rtol=1e-5)


ABSENT = {
    "one of two classes": (FAMILIES["bernoulli"], np.zeros(20)),
    "the other one": (FAMILIES["bernoulli"], np.ones(20)),
    "a class": (FAMILY, np.arange(20.0) % 2),
    "the reference": (FAMILY, 1 + np.arange(20.0) % 2),
    "all classes but one": (FAMILY, np.full(20, 1.0)),
    "all counts above 0": (POISSON, np.zeros(20)),
}


@pytest.mark.parametrize(("family", "labels"), ABSENT.values(), ids=ABSENT)
def test_what_no_row_has_gets_half_a_row(family: Family, labels: NDArray) -> None:
    """Subsets of the rows, such as those of a learning curve, may have no row of a class."""
    rows = Rows(np.zeros((20, 1)), labels)
    best = exact.optimum(rows, family, ["constant"])
    assert best.method == "firth"
    prediction = family.inverse_link(best.predict(rows.features[:1]))[0]
    if family is POISSON:
        expected = 0.5 / 20
    elif family is FAMILY:
        expected = (np.bincount(labels.astype(int), minlength=3) + 0.5) / 21.5
    else:
        expected = (labels.sum() + 0.5) / 21
    np.testing.assert_allclose(prediction, expected, rtol=1e-6)
    if np.ptp(labels) == 0:
        message = "all rows have the same label: no finite coefficients exist, Firth's estimate is used"
        assert message in best.messages
