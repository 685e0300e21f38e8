"""Weights and offsets of rows: identities between regressions, for every family."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.families import FAMILIES, Family
from straightline.regression import exact, ridge
from straightline.regression.optimum import Inference
from tests.regression.cases import NAMES, copies, every_family, in_file, log_link_families, same_optimum, table
from tests.regression.covariances import assert_same_covariance

ROWS = 120
ALL = np.arange(ROWS, dtype=np.int32)
SOME = np.flatnonzero(np.random.default_rng(7).random(ROWS) < 0.8).astype(np.int32)
PENALTIES = np.array([1e-3, 1e-1])

kinds = pytest.mark.parametrize(
    "options", [{}, {"robust": True}, {"quasi": True}], ids=["classical", "robust", "quasi"]
)


@every_family
@kinds
@given(seed=st.integers(0, 39))
def test_a_weight_equals_so_many_rows(family: Family, options: dict[str, bool], seed: int) -> None:
    rows = table(family, seed=seed)
    found, known = (exact.optimum(each, family, NAMES, **options) for each in (rows, copies(rows)))
    same_optimum(found, known, 1e-8)


@every_family
@given(seed=st.integers(0, 39))
def test_a_weight_equals_so_many_rows_under_a_penalty(family: Family, seed: int) -> None:
    rows = table(family, seed=seed)
    repeated = copies(rows)
    (ours,) = ridge.paths(held(rows), [ALL], family, PENALTIES)
    (known,) = ridge.paths(held(repeated), [np.arange(len(repeated), dtype=np.int32)], family, PENALTIES)
    for line, other in zip(ours, known, strict=True):
        np.testing.assert_allclose(line.coefficients, other.coefficients, rtol=1e-7, atol=1e-9)
    losses = ridge.part_losses(held(rows), [SOME], [ours], family)
    part = copies(rows.take(SOME))
    numbers = np.arange(len(part), dtype=np.int32)
    np.testing.assert_allclose(losses, ridge.part_losses(held(part), [numbers], [ours], family), rtol=1e-10)


@every_family
@given(scale=st.sampled_from([0.5, 0.9, 3.0, 40.0, 1e3]))
def test_sampling_weights_have_no_scale(family: Family, scale: float) -> None:
    rows = table(family)
    assert rows.weights is not None
    plain, scaled = (
        exact.optimum(replace(rows, weights=weights), family, NAMES, sampling=True)
        for weights in (rows.weights, scale * rows.weights)
    )
    assert (plain.errors, scaled.errors) == (family.robust_errors, family.robust_errors)
    np.testing.assert_allclose(scaled.coefficients, plain.coefficients, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(scaled.covariance, plain.covariance, rtol=1e-6, atol=1e-12)
    assert scaled.loss == pytest.approx(plain.loss, rel=1e-10)
    ours, known = (
        ridge.paths(held(replace(rows, weights=weights)), [ALL], family, PENALTIES)[0]
        for weights in (scale * rows.weights, rows.weights)
    )
    for line, other in zip(ours, known, strict=True):
        np.testing.assert_allclose(line.coefficients, other.coefficients, rtol=1e-7, atol=1e-9)


@every_family
def test_sampling_weights_of_one_are_no_weights(family: Family) -> None:
    rows = table(family, weighted=False)
    plain = exact.optimum(rows, family, NAMES, robust=True)
    sampled = exact.optimum(replace(rows, weights=np.ones(ROWS)), family, NAMES, sampling=True)
    same_optimum(sampled, plain, 1e-9)


@every_family
@kinds
def test_a_streamed_table_has_the_same_optima_as_a_held_one(
    tmp_path: Path, family: Family, options: dict[str, bool]
) -> None:
    rows, inference = table(family), Inference(**options)
    streamed, known = (
        exact.optima(source, [ALL, SOME], family, NAMES, inference=inference)
        for source in (in_file(tmp_path, rows), held(rows))
    )
    for one, other in zip(streamed, known, strict=True):
        same_optimum(one, other, 1e-9)


@every_family
def test_a_streamed_table_has_the_same_shrunk_lines_as_a_held_one(tmp_path: Path, family: Family) -> None:
    rows = table(family)
    streamed, known = (
        ridge.paths(source, [ALL, SOME], family, PENALTIES) for source in (in_file(tmp_path, rows), held(rows))
    )
    for lines, others in zip(streamed, known, strict=True):
        for line, other in zip(lines, others, strict=True):
            np.testing.assert_allclose(line.coefficients, other.coefficients, rtol=1e-8, atol=1e-10)


@every_family
@kinds
def test_a_stack_of_parts_equals_single_fits(family: Family, options: dict[str, bool]) -> None:
    rows, inference = table(family), Inference(**options)
    parts = [SOME, ALL[:70], ALL[40:], ALL]
    together = exact.optima(held(rows), parts, family, NAMES, inference=inference)
    for part, found in zip(parts, together, strict=True):
        same_optimum(found, exact.optimum(rows.take(part), family, NAMES, **options), 1e-10)


@every_family
def test_a_first_guess_changes_nothing(family: Family) -> None:
    rows = table(family)
    best = exact.optimum(rows, family, NAMES)
    for start in (best, replace(best, coefficients=best.coefficients + 0.01 * np.abs(best.coefficients))):
        (found,) = exact.optima(held(rows), [SOME], family, NAMES, start)
        same_optimum(found, exact.optimum(rows.take(SOME), family, NAMES), 1e-6)


@every_family
def test_no_other_weights_do_better(family: Family) -> None:
    rows = table(family)
    best = exact.optimum(rows, family, NAMES)
    for seed in range(10):
        moved = best.coefficients * (1 + 1e-3 * np.random.default_rng(seed).normal(size=best.coefficients.shape))
        predictor = rows.shifted(moved[0] + rows.features @ moved[1:])
        assert np.average(family.predictor_losses(predictor, rows.labels), weights=rows.weights) >= best.loss


# Other programs: those of counts, amounts and classes are in test_known_glm.py and test_known_multinomial.py


@pytest.mark.parametrize("robust", [False, True])
def test_frequencies_of_numbers_and_two_classes_are_statsmodels(robust: bool) -> None:
    """Statsmodels has no frequencies for least squares, so that its rows are copied."""
    for name in ("gaussian", "bernoulli"):
        rows = table(FAMILIES[name])
        found = exact.optimum(rows, FAMILIES[name], NAMES, robust=robust)
        repeated = copies(rows)
        if name == "gaussian":
            model = sm.OLS(repeated.labels, sm.add_constant(repeated.features))
            known = model.fit(cov_type="HC3" if robust else "nonrobust")
        else:
            model = sm.GLM(
                rows.labels, sm.add_constant(rows.features), family=sm.families.Binomial(), freq_weights=rows.weights
            )
            known = model.fit(cov_type="HC0" if robust else "nonrobust", tol=1e-13)
        np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6)
        assert_same_covariance(found.covariance, known.cov_params())
        assert found.degrees_of_freedom == (known.df_resid if name == "gaussian" else np.inf)


def test_sampling_weights_of_numbers_and_two_classes_are_statsmodels() -> None:
    rows = table(FAMILIES["gaussian"])
    known = sm.WLS(rows.labels, sm.add_constant(rows.features), weights=rows.weights).fit(cov_type="HC3")
    found = exact.optimum(rows, FAMILIES["gaussian"], NAMES, sampling=True)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-7)
    assert_same_covariance(found.covariance, known.cov_params())
    rows = table(FAMILIES["bernoulli"])
    model = sm.GLM(rows.labels, sm.add_constant(rows.features), family=sm.families.Binomial(), var_weights=rows.weights)
    known = model.fit(cov_type="HC0", tol=1e-13)
    found = exact.optimum(rows, FAMILIES["bernoulli"], NAMES, sampling=True)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6)
    assert_same_covariance(found.covariance, known.cov_params())


# Units


@every_family
@given(
    scales=st.lists(st.sampled_from([1e-6, 1e-2, 1.0, 30.0, 1e7]), min_size=3, max_size=3),
    shifts=st.lists(st.sampled_from([0.0, -1e4, 3.0]), min_size=3, max_size=3),
)
def test_units_of_columns_change_no_prediction(family: Family, scales: list[float], shifts: list[float]) -> None:
    rows = table(family)
    # A column's center may be a thousand of its standard deviations.
    moved = replace(rows, features=(rows.features + np.multiply(shifts, rows.features.std(axis=0) / 10)) * scales)
    plain, other = (exact.optimum(each, family, NAMES) for each in (rows, moved))
    np.testing.assert_allclose(other.predict(moved.features), plain.predict(rows.features), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(other.coefficients[1:].T * scales, plain.coefficients[1:].T, rtol=1e-5, atol=1e-8)
    assert other.loss == pytest.approx(plain.loss, rel=1e-8)


@log_link_families
@pytest.mark.parametrize("scale", [1e-5, 1e-2, 1e6, 1e15])
def test_the_unit_of_a_target_is_a_part_of_the_intercept(family: Family, scale: float) -> None:
    """Counts in dozens are no counts, but the equations are the same."""
    rows = table(family)
    plain, scaled = (
        exact.optimum(replace(rows, labels=each * rows.labels), family, NAMES, robust=True) for each in (1.0, scale)
    )
    np.testing.assert_allclose(scaled.coefficients - [np.log(scale), 0, 0, 0], plain.coefficients, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(scaled.covariance, plain.covariance, rtol=1e-5, atol=1e-12)
    assert scaled.method == "exact"


# Offsets


@log_link_families
@given(constant=st.floats(-20, 20))
def test_a_constant_offset_is_a_part_of_the_intercept(family: Family, constant: float) -> None:
    rows = table(family, shifted=False)
    plain = exact.optimum(rows, family, NAMES)
    shifted = exact.optimum(replace(rows, offset=np.full(ROWS, constant)), family, NAMES)
    moved = replace(shifted, coefficients=shifted.coefficients + np.array([constant, 0, 0, 0]))
    same_optimum(moved, plain, 1e-8)


@log_link_families
def test_a_column_with_its_coefficient_known_is_an_offset(family: Family) -> None:
    """The optimum with the offset x b has the slope of x lower by b."""
    rows = table(family, shifted=False)
    plain = exact.optimum(rows, family, NAMES)
    shifted = exact.optimum(replace(rows, offset=0.3 * rows.features[:, 0]), family, NAMES)
    moved = replace(shifted, coefficients=shifted.coefficients + np.array([0, 0.3, 0, 0]))
    same_optimum(moved, plain, 1e-8)


def test_counts_with_an_exposure_are_rates_weighted_by_it() -> None:
    family = FAMILIES["poisson"]
    rows = table(family)
    rates, weights = family.without_offset(rows.labels, rows.weights, rows.offset)
    plain = exact.optimum(Rows(rows.features, rates, weights), family, NAMES)
    shifted = exact.optimum(rows, family, NAMES)
    np.testing.assert_allclose(shifted.coefficients, plain.coefficients, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(shifted.covariance, plain.covariance, rtol=1e-8, atol=1e-12)


def test_amounts_with_an_exposure_are_amounts_for_the_exposure_1() -> None:
    family = FAMILIES["gamma"]
    rows = table(family)
    assert rows.offset is not None
    divided = replace(rows, labels=rows.labels / np.exp(rows.offset), offset=None)
    same_optimum(exact.optimum(rows, family, NAMES), exact.optimum(divided, family, NAMES), 1e-9)


# Without an intercept


@every_family
def test_without_an_intercept_the_line_is_that_of_a_column_of_ones_less(family: Family) -> None:
    """A column that hardly varies about 1 takes the part of the intercept."""
    rows = table(family)
    found = exact.optimum(rows, family, NAMES, intercept=False)
    assert np.all(found.coefficients[0] == 0)
    ones = replace(rows, features=np.column_stack([np.ones(ROWS), rows.features]))
    with_ones = exact.optimum(ones, family, ["one", *NAMES], intercept=False)
    known = exact.optimum(rows, family, NAMES)
    np.testing.assert_allclose(with_ones.coefficients[1:], known.coefficients, rtol=1e-6, atol=1e-9)
    assert with_ones.loss == pytest.approx(known.loss, rel=1e-9)
    assert found.loss > known.loss
