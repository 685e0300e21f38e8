"""The exact optimum against statsmodels and NIST, under changes of units, and where it does not exist."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from firthmodels import FirthLogisticRegression
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from straightline.data import balloons
from straightline.data.rows import Rows
from straightline.data.source import Source, held
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.regression.coefficients import agreeing_digits, coefficient_table
from straightline.regression.firth import firth
from straightline.regression.optimum import Inference
from tests.conftest import ROOT

NAMES = ("a", "b", "c")


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(80, 3)) * [1, 100, 1e-3] + [5, 1000, 0]


def labels_of(features: np.ndarray, family: str, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=len(features))
    score = features @ [1, 0.01, 500] + noise
    return score if family == "gaussian" else (score > np.median(score)).astype(float)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_equals_statsmodels(features: np.ndarray, family: str) -> None:
    labels = labels_of(features, family)
    design = sm.add_constant(features)
    known = sm.OLS(labels, design).fit() if family == "gaussian" else sm.Logit(labels, design).fit(disp=0, tol=1e-10)
    table = coefficient_table(exact.optimum(Rows(features, labels), FAMILIES[family], NAMES), NAMES, np.zeros(4), 0.95)
    assert table["term"].tolist() == ["Intercept", *NAMES]
    for column, values in (
        ("estimate", known.params),
        ("std_error", known.bse),
        ("statistic", known.tvalues),
        ("p_value", known.pvalues),
        ("ci_low", known.conf_int()[:, 0]),
        ("ci_high", known.conf_int()[:, 1]),
    ):
        np.testing.assert_allclose(table[column], values, rtol=1e-6)


@given(st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3), st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3))
def test_units_do_not_change_the_fit(scale: list[float], shift: list[float]) -> None:
    features = np.random.default_rng(0).normal(size=(60, 3))
    for family in ("gaussian", "bernoulli"):
        labels = labels_of(features * [1, 100, 1e-3], family)
        plain = exact.optimum(Rows(features, labels), FAMILIES[family], NAMES)
        moved = exact.optimum(Rows(features * scale + shift, labels), FAMILIES[family], NAMES)
        np.testing.assert_allclose(moved.coefficients[1:] * scale, plain.coefficients[1:], rtol=1e-6, atol=1e-8)
        assert moved.loss == pytest.approx(plain.loss, rel=1e-9)


def test_no_other_weights_do_better(features: np.ndarray) -> None:
    for family in ("gaussian", "bernoulli"):
        labels = labels_of(features, family)
        best = exact.optimum(Rows(features, labels), FAMILIES[family], NAMES)
        for seed in range(20):
            other = best.coefficients * (1 + 1e-3 * np.random.default_rng(seed).normal(size=4))
            assert FAMILIES[family].predictor_losses(other[0] + features @ other[1:], labels).mean() >= best.loss


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_collinear_columns_predict_alike_and_stay_blank(features: np.ndarray, family: str) -> None:
    labels = labels_of(features, family)
    plain = exact.optimum(Rows(features, labels), FAMILIES[family], NAMES)
    doubled = np.column_stack([features, 2 * features[:, 0] + 1])
    fitted = exact.optimum(Rows(doubled, labels), FAMILIES[family], (*NAMES, "d"))
    np.testing.assert_allclose(fitted.predict(doubled), plain.predict(features), rtol=1e-8, atol=1e-8)
    table = coefficient_table(fitted, (*NAMES, "d"), np.zeros(5), 0.95).set_index("term")
    assert table.loc[["Intercept", "a", "d"], "estimate"].isna().all()
    known = coefficient_table(plain, NAMES, np.zeros(4), 0.95).set_index("term")
    for column in ("estimate", "std_error", "p_value"):
        np.testing.assert_allclose(table.loc[["b", "c"], column], known.loc[["b", "c"], column], rtol=1e-6)
    assert any("a, d are collinear" in message for message in fitted.messages)


def test_a_constant_column_is_dropped(features: np.ndarray) -> None:
    labels = labels_of(features, "gaussian")
    plain = exact.optimum(Rows(features, labels), FAMILIES["gaussian"], NAMES)
    fitted = exact.optimum(
        Rows(np.column_stack([features, np.full(80, 3.0)]), labels), FAMILIES["gaussian"], (*NAMES, "d")
    )
    np.testing.assert_allclose(fitted.coefficients, [*plain.coefficients, 0.0], rtol=1e-9)
    assert fitted.messages == ["d is constant and carries no information"]
    assert fitted.degrees_of_freedom == 76


def test_separated_classes_have_no_coefficients_but_a_prediction(features: np.ndarray) -> None:
    labels = (features[:, 0] > 5).astype(float)
    fitted = exact.optimum(Rows(features, labels), FAMILIES["bernoulli"], NAMES)
    assert fitted.method == "firth"
    assert fitted.messages[0].startswith("the classes are separated by a")
    assert fitted.messages[0].endswith(": no finite coefficients exist, Firth's estimate is used")
    table = coefficient_table(fitted, NAMES, np.zeros(4), 0.95)
    assert table[["estimate", "std_error", "p_value"]].isna().all(axis=None)
    assert ((fitted.predict(features) > 0) == (labels > 0)).mean() > 0.9


@pytest.mark.parametrize("level", [1.0, 0.0])
def test_quasi_separation_leaves_the_finite_coefficients(features: np.ndarray, level: float) -> None:
    """Where an indicator is at one level all labels are 1; with the other level its rows are those of the intercept."""
    sure = np.random.default_rng(2).random(len(features)) < 0.2
    labels = np.where(sure, 1.0, labels_of(features, "bernoulli"))
    columns = np.column_stack([features[:, :2], np.where(sure, level, 1 - level)])
    fitted = exact.optimum(Rows(columns, labels), FAMILIES["bernoulli"], ("a", "b", "sure"))
    assert fitted.method == "firth"
    assert fitted.messages[0].startswith("the classes of some rows are separated by sure, whose coefficients")
    assert fitted.identified.tolist() == [level == 1, True, True, False]
    known = sm.Logit(labels[~sure], sm.add_constant(features[~sure, :2])).fit(disp=0, tol=1e-12)
    table = coefficient_table(fitted, ("a", "b", "sure"), np.zeros(4), 0.95)
    kept = table[fitted.identified]
    np.testing.assert_allclose(kept["estimate"], known.params[fitted.identified[:3]], rtol=1e-6)
    np.testing.assert_allclose(kept["std_error"], known.bse[fitted.identified[:3]], rtol=1e-6)
    blank = table.loc[~fitted.identified, ["estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high"]]
    assert blank.isna().all(axis=None)


def test_separated_classes_may_have_collinear_columns(features: np.ndarray) -> None:
    labels = (features[:, 0] > np.median(features[:, 0])).astype(float)
    plain = exact.optimum(Rows(features, labels), FAMILIES["bernoulli"], NAMES)
    more = np.column_stack([features, features[:, 0] - 2 * features[:, 1]])
    fitted = exact.optimum(Rows(more, labels), FAMILIES["bernoulli"], [*NAMES, "sum"])
    assert fitted.method == "firth"
    np.testing.assert_allclose(fitted.predict(more), plain.predict(features), rtol=1e-4)


def test_firths_estimate_may_be_as_steep_as_it_has_to() -> None:
    """By symmetry there is no intercept, so that the maximum of Firth's likelihood has one dimension."""
    column = np.linspace(-0.005, 0.005, 200)
    design, labels = np.column_stack([np.ones(200), column]), (column > 0).astype(float)
    weights, _ = firth(design, Rows(design, labels), FAMILIES["bernoulli"], np.array([True, True]))

    def penalized(slope: float) -> float:
        predictor = slope * column
        spread = special.expit(predictor) * special.expit(-predictor)
        information = np.log(spread.sum()) + np.log(spread @ column**2)
        return float(np.logaddexp(0, -np.abs(predictor)).sum() - information / 2)

    steepest = optimize.minimize_scalar(penalized, bounds=(0, 1e5), options={"xatol": 1e-3}).x
    assert steepest > 5000  # A thousand steps of at most 5 do not come as far.
    np.testing.assert_allclose(weights, [0, steepest], rtol=1e-5, atol=1e-5)


def test_more_columns_than_rows_have_firths_saturated_estimate() -> None:
    """Each row by itself: half a row is added to either class (Firth 1993, section 3.1)."""
    features = np.random.default_rng(0).normal(size=(5, 8))
    labels = np.array([0.0, 1, 1, 0, 1])
    fitted = exact.optimum(Rows(features, labels), FAMILIES["bernoulli"], [f"x{column}" for column in range(8)])
    assert fitted.method == "firth"
    assert not fitted.identified.any()
    np.testing.assert_allclose(special.expit(fitted.predict(features)), np.where(labels > 0, 0.75, 0.25), rtol=1e-6)


def test_a_steep_but_finite_optimum_is_no_separation() -> None:
    features = np.linspace(-1, 1, 400)[:, np.newaxis]
    labels = (features[:, 0] > 0).astype(float)
    labels[[198, 203]] = 1 - labels[[198, 203]]
    fitted = exact.optimum(Rows(features, labels), FAMILIES["bernoulli"], ["a"])
    assert (fitted.method, fitted.messages) == ("exact", [])
    assert fitted.covariance is not None


def test_fewer_rows_than_columns_have_no_standard_errors(features: np.ndarray) -> None:
    fitted = exact.optimum(Rows(features[:3], labels_of(features, "gaussian")[:3]), FAMILIES["gaussian"], NAMES)
    assert fitted.covariance is None
    assert fitted.loss < 1e-20


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_robust_standard_errors_equal_statsmodels(features: np.ndarray, family: str) -> None:
    labels = labels_of(features, family)
    everything = [np.arange(len(labels), dtype=np.int32)]
    (fitted,) = exact.optima(
        held(Rows(features, labels)), everything, FAMILIES[family], NAMES, inference=Inference(robust=True)
    )
    design = sm.add_constant(features)
    if family == "gaussian":
        known = sm.OLS(labels, design).fit(cov_type="HC3")
    else:
        known = sm.Logit(labels, design).fit(disp=0, tol=1e-12, cov_type="HC0")
    assert fitted.covariance is not None
    np.testing.assert_allclose(np.sqrt(np.diag(fitted.covariance)), known.bse, rtol=1e-6)
    (streamed,) = exact.optima(
        in_groups(features, labels), everything, FAMILIES[family], NAMES, inference=Inference(robust=True)
    )
    assert streamed.covariance is not None
    np.testing.assert_allclose(streamed.covariance, fitted.covariance, rtol=1e-9, atol=1e-15)


def test_robust_standard_errors_are_those_of_the_population() -> None:
    """The log odds of the balloons' colour are not linear, which the classical errors do not allow for."""
    known = json.loads((ROOT / "tests/reference/oracles.json").read_text())["logistic"]
    rows, names = 100_000, ("relationship", "children", "age")
    table = balloons.generate(rows, seed=1, partnered_children=0.1)
    source = held(Rows(table[list(names)].to_numpy(), table["color"].to_numpy(float)))
    everything = [np.arange(rows, dtype=np.int32)]
    population = np.array([known["sqrt_n_times_sandwich_se"][name] for name in ("bias", *names)])
    for robust, tolerance in ((True, 0.03), (False, 0.5)):
        (fitted,) = exact.optima(source, everything, FAMILIES["bernoulli"], names, inference=Inference(robust=robust))
        assert fitted.covariance is not None
        off = np.abs(np.sqrt(rows * np.diag(fitted.covariance)) / population - 1)
        assert off.max() < tolerance
    assert off[2] > 0.15


def in_groups(features: np.ndarray, labels: np.ndarray) -> Source:
    offsets = np.array([0, 30, 70, len(labels)])

    def read(groups: np.ndarray) -> Rows:
        rows = np.concatenate([np.arange(*offsets[group : group + 2]) for group in groups])
        return Rows(features[rows], labels[rows])

    return Source(offsets, features.shape[1], read)


def test_a_row_that_decides_a_coefficient_has_no_robust_errors(features: np.ndarray) -> None:
    alone = np.zeros(len(features))
    alone[7] = 1
    rows = held(Rows(np.column_stack([features[:, 0], alone]), labels_of(features, "gaussian")))
    everything = [np.arange(len(features), dtype=np.int32)]
    (fitted,) = exact.optima(rows, everything, FAMILIES["gaussian"], ("a", "alone"), inference=Inference(robust=True))
    assert fitted.covariance is None
    assert "some coefficient depends on a single row: robust standard errors do not exist" in fitted.messages


DIGITS = {  # of coefficients and of standard errors, at least
    "Norris": (11, 9),
    "NoInt1": (13, 9),
    "NoInt2": (13, 9),
    "Longley": (12, 9),
    "Wampler1": (9, 9),
    "Wampler2": (9, 9),
    "Wampler3": (9, 9),
    "Wampler4": (8, 9),
    "Wampler5": (7, 9),
    "Filip": (7, 6),
}


@pytest.mark.parametrize("name", DIGITS)
def test_certified_values_of_nist(name: str) -> None:
    known = json.loads((ROOT / "tests/reference/strd_dev.json").read_text())[name]
    columns = np.array(known["x"], float)
    if known["degree"]:
        columns = columns[:, :1] ** np.arange(1, known["degree"] + 1)
    names = [f"x{n}" for n in range(columns.shape[1])]
    fitted = exact.optimum(Rows(columns, np.array(known["y"], float)), FAMILIES["gaussian"], names, known["intercept"])
    terms = slice(None) if known["intercept"] else slice(1, None)
    assert fitted.covariance is not None
    assert fitted.identified[terms].all()
    nearly = [message for message in fitted.messages if "close to collinear" in message]
    assert len(nearly) == (name == "Filip")
    of_coefficients, of_errors = DIGITS[name]
    certified_beta = np.array(known["certified_beta"], float)
    assert agreeing_digits(fitted.coefficients[terms], certified_beta) >= of_coefficients
    found = np.sqrt(np.diag(fitted.covariance))[terms]
    certified = np.array(known["certified_sd"], float)
    exact_fit = certified == 0  # Wampler1 and 2
    np.testing.assert_allclose(found[exact_fit], 0, atol=1e-6)
    if not exact_fit.all():
        assert agreeing_digits(found[~exact_fit], certified[~exact_fit]) >= of_errors


def test_digits_that_agree() -> None:
    assert agreeing_digits(np.array([1.0, 100.1]), np.array([1.0, 100.0])) == pytest.approx(3)
    assert agreeing_digits(np.array([1e-4, 5.0]), np.array([0.0, 5.0])) == pytest.approx(4)
    assert agreeing_digits(np.array([2.0]), np.array([2.0])) == 15
    assert agreeing_digits(np.array([-7.0]), np.array([1.0])) == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_firths_estimate_of_two_classes_is_that_of_firthmodels(weighted: bool) -> None:
    random = np.random.default_rng(3)
    design = np.column_stack([np.ones(60), random.normal(size=(60, 3))])
    labels = (design[:, 1] + 0.5 * random.normal(size=60) > 0).astype(float)
    weights = random.integers(1, 4, 60).astype(float) if weighted else None
    found, converged = firth(design, Rows(design, labels, weights), FAMILIES["bernoulli"], np.ones(4, bool))
    known = FirthLogisticRegression(max_iter=1000, gtol=1e-9, xtol=1e-9, fit_intercept=False)
    known.fit(design, labels, sample_weight=weights)
    assert converged
    np.testing.assert_allclose(found, np.ravel(known.coef_), rtol=1e-7)
