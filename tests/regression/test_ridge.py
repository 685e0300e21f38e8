"""Ridge regressions against scikit-learn's, and their limits."""

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge

from straightline.data.rows import Rows
from straightline.data.source import Source, held
from straightline.families import FAMILIES
from straightline.regression import exact, ridge
from tests.builders import labels_of
from tests.training.cases import ROWS, table

ALL = np.arange(ROWS, dtype=np.int32)
SOME = np.arange(20, 75, dtype=np.int32)


def standardized(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean, scale = rows.features.mean(axis=0), rows.features.std(axis=0)
    return (rows.features - mean) / scale, mean, scale


def scikit_learns(rows: Rows, family: str, penalty: float) -> np.ndarray:
    """Return scikit-learn's coefficients; of several classes the differences to the first one."""
    columns, mean, scale = standardized(rows)
    exact_newton = {"tol": 1e-10, "solver": "newton-cholesky"}
    models = {
        "gaussian": Ridge(alpha=penalty * len(rows), solver="cholesky"),
        "bernoulli": LogisticRegression(C=1 / (penalty * len(rows)), **exact_newton),
        "multinomial": LogisticRegression(C=1 / (penalty * len(rows)), **exact_newton),
        "poisson": PoissonRegressor(alpha=penalty, **exact_newton),
        "gamma": GammaRegressor(alpha=penalty, **exact_newton),
    }
    model = models[family].fit(columns, rows.labels)
    slopes = np.atleast_2d(model.coef_) / scale
    by_class = np.column_stack([np.ravel(model.intercept_) - slopes @ mean, slopes])
    return (by_class[1:] - by_class[0]).T if family == "multinomial" else by_class[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_penalty_gives_scikit_learns_line(family: str) -> None:
    rows = table(family)
    for lines, numbers in zip(ridge.paths(held(rows), [ALL, SOME], FAMILIES[family]), (ALL, SOME), strict=True):
        assert [line.penalty for line in lines] == ridge.PENALTIES.tolist()
        for line in lines:
            known = scikit_learns(rows.take(numbers), family, line.penalty)
            np.testing.assert_allclose(line.coefficients, known, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_penalty_is_the_exact_regression_and_a_large_one_the_baseline(family: str) -> None:
    rows, of = table(family), FAMILIES[family]
    ((small, large),) = ridge.paths(held(rows), [ALL], of, np.array([1e-12, 1e8]))
    known = exact.optimum(rows, of, ["a", "b", "c"])
    np.testing.assert_allclose(small.coefficients, known.coefficients, rtol=1e-6)
    baseline = np.broadcast_to(of.baseline(rows.labels), of.inverse_link(large.predict(rows.features)).shape)
    np.testing.assert_allclose(of.inverse_link(large.predict(rows.features)), baseline, rtol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_more_columns_than_rows_and_constant_ones_have_a_line(family: str) -> None:
    random = np.random.default_rng(1)
    features = np.column_stack([random.normal(size=(20, 30)), np.ones(20)])
    labels = labels_of(features[:, 0], family)
    (lines,) = ridge.paths(held(Rows(features, labels)), [np.arange(20, dtype=np.int32)], FAMILIES[family])
    for line in lines:
        assert np.isfinite(line.coefficients).all()
        assert np.all(line.coefficients[-1] == 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_read_in_groups_has_the_same_lines(family: str) -> None:
    rows = table(family)
    offsets = np.array([0, 30, 50, ROWS])
    grouped = Source(offsets, 3, lambda groups: rows.take(np.arange(offsets[groups[0]], offsets[groups[-1] + 1])))
    (ours,), (known,) = (ridge.paths(source, [SOME], FAMILIES[family]) for source in (grouped, held(rows)))
    for line, other in zip(ours, known, strict=True):
        np.testing.assert_allclose(line.coefficients, other.coefficients, rtol=1e-8)


def test_losses_on_parts_are_sums_over_their_rows() -> None:
    rows, family = table(), FAMILIES["gaussian"]
    lines = ridge.paths(held(rows), [ALL, ALL], family)
    losses = ridge.part_losses(held(rows), [SOME, ALL], lines, family)
    for sums, numbers in zip(losses, (SOME, ALL), strict=True):
        part = rows.take(numbers)
        known = [np.square(part.labels - line.predict(part.features)).sum() for line in lines[0]]
        np.testing.assert_allclose(sums, known)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_without_an_intercept_each_penalty_gives_scikit_learns_line(family: str) -> None:
    rows = table(family)
    scale = np.sqrt((rows.features**2).mean(axis=0))
    for line in ridge.paths(held(rows), [ALL], FAMILIES[family], intercept=False)[0]:
        strength = line.penalty * len(rows)
        if family == "gaussian":
            model = Ridge(alpha=strength, fit_intercept=False, solver="cholesky")
        else:
            model = LogisticRegression(C=1 / strength, fit_intercept=False, tol=1e-12, solver="newton-cholesky")
        model.fit(rows.features / scale, rows.labels)
        assert line.coefficients[0] == 0
        np.testing.assert_allclose(line.coefficients[1:], np.ravel(model.coef_) / scale, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_rows_of_one_class_have_a_line_that_predicts_it(label: float) -> None:
    features = np.random.default_rng(0).normal(size=(30, 3))
    numbers = np.arange(30, dtype=np.int32)
    rows = Rows(features, np.full(30, label))
    (lines,) = ridge.paths(held(rows), [numbers], FAMILIES["bernoulli"])
    for line in lines:
        np.testing.assert_allclose(FAMILIES["bernoulli"].inverse_link(line.predict(features)), label, atol=1e-6)
