"""Multinomial regressions against Stata, R, statsmodels and scikit-learn on known tables."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from statsmodels.discrete.tests.results.results_discrete import Anes

from straightline.data.rows import Rows
from straightline.families import Multinomial
from straightline.regression import exact
from straightline.regression.optimum import Optimum
from tests import family_tables
from tests.regression.covariances import assert_same_covariance

EXACT = {"method": "newton", "tol": 1e-12, "maxiter": 100, "disp": 0}


def fitted(features: pd.DataFrame, numbers: NDArray, weights: NDArray | None = None, **options: bool) -> Optimum:
    """Return the optimum for classes with the numbers 0, 1 and so on."""
    rows = Rows(features.to_numpy(float), numbers.astype(float), weights)
    return exact.optimum(rows, Multinomial(int(numbers.max()) + 1), list(features), **options)


def errors(found: Optimum) -> NDArray:
    """Return the standard errors in the shape of the coefficients."""
    assert found.covariance is not None
    return np.sqrt(np.diag(found.covariance)).reshape(found.coefficients.shape, order="F")


def statsmodels_of(features: pd.DataFrame, numbers: NDArray) -> sm.MNLogit:
    return sm.MNLogit(numbers, sm.add_constant(features.to_numpy(float)))


def voters() -> tuple[pd.DataFrame, NDArray]:
    """Return the columns of statsmodels' test of MNLogit and the party identification."""
    table = family_tables.anes96()
    return table[["logpopul", "selfLR", "age", "educ", "income"]], table["PID"].to_numpy()


def students() -> tuple[pd.DataFrame, NDArray]:
    """Return UCLA's columns and the programs: academic, general, vocation."""
    table = family_tables.students()
    features = {"middle": table["ses"] == "middle", "high": table["ses"] == "high", "write": table["write"]}
    return pd.DataFrame(features).astype(float), table["prog"].astype("category").cat.codes.to_numpy()


def residents() -> tuple[pd.DataFrame, NDArray, NDArray]:
    """Return indicators of each factor's levels but the first, the satisfaction, and how many residents there are."""
    table = family_tables.housing()
    levels = {
        "Infl": ["Medium", "High"],
        "Type": ["Apartment", "Atrium", "Terrace"],
        "Cont": ["High"],
    }
    features = pd.DataFrame({factor + level: table[factor] == level for factor in levels for level in levels[factor]})
    satisfaction = table["Sat"].map({"Low": 0, "Medium": 1, "High": 2})
    return features.astype(float), satisfaction.to_numpy(), table["Freq"].to_numpy(float)


def test_party_identification_in_stata() -> None:
    """Stata 11 (statsmodels' results_discrete). The intercept is last there, and the printed digits end at 1e-8."""
    known = Anes.mnlogit_basezero
    features, numbers = voters()
    found = fitted(features, numbers)
    np.testing.assert_allclose(found.coefficients, np.roll(known.params, 1, axis=0), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(errors(found), np.roll(known.bse, 1, axis=0), rtol=1e-6)
    assert -found.loss * known.nobs == pytest.approx(known.llf, rel=1e-9)


def test_programs_of_students_in_stata() -> None:
    """UCLA, "Multinomial Logistic Regression: Stata Data Analysis Examples": mlogit prog i.ses write, base(2)."""
    found = fitted(*students())
    known = {
        "general": [(2.852186, 1.166439), (-0.533291, 0.4437321), (-1.162832, 0.5142195), (-0.0579284, 0.0214109)],
        "vocation": [(5.2182, 1.163549), (0.2913931, 0.4763737), (-0.9826703, 0.5955669), (-0.1136026, 0.0222199)],
    }
    estimates, standard_errors = np.transpose([*known.values()])
    np.testing.assert_allclose(found.coefficients, estimates, rtol=0, atol=5.01e-7)
    np.testing.assert_allclose(errors(found), standard_errors, rtol=0, atol=5.01e-7)
    assert -found.loss * 200 == pytest.approx(-179.98173, abs=5.01e-6)


def test_satisfaction_of_residents_in_r() -> None:
    """R's example of MASS::housing: nnet::multinom(Sat ~ Infl + Type + Cont, weights = Freq)."""
    features, numbers, weights = residents()
    found = fitted(features, numbers, weights)
    known = [
        [-0.4192316, 0.4464003, 0.6649367, -0.4356851, 0.1313663, -0.6665728, 0.3608513],  # Medium
        [-0.1387453, 0.7348626, 1.6126294, -0.7356261, -0.4079808, -1.4123333, 0.4818236],  # High
    ]
    # The iterations of nnet end this close to the optimum.
    np.testing.assert_allclose(found.coefficients.T, known, rtol=0, atol=1e-5)
    assert 2 * found.loss * weights.sum() == pytest.approx(3470.084, abs=5.01e-4)


def test_frequencies_equal_repeated_rows_in_statsmodels() -> None:
    features, numbers, weights = residents()
    times = weights.astype(int)
    model = statsmodels_of(features.loc[features.index.repeat(times)], numbers.repeat(times))
    for robust, kind in ((False, "nonrobust"), (True, "HC0")):
        known = model.fit(cov_type=kind, **EXACT)
        found = fitted(features, numbers, weights, robust=robust)
        np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6)
        assert_same_covariance(found.covariance, known.cov_params())
        assert -found.loss * weights.sum() == pytest.approx(known.llf, rel=1e-10)


def test_sampling_weights_equal_clusters_in_statsmodels() -> None:
    """With a sampling weight a row is one observation, as repeated rows are that belong to one cluster."""
    features, numbers, weights = residents()
    times = weights.astype(int)
    clusters = {"groups": np.arange(len(times)).repeat(times), "use_correction": False}
    model = statsmodels_of(features.loc[features.index.repeat(times)], numbers.repeat(times))
    known = model.fit(cov_type="cluster", cov_kwds=clusters, **EXACT)
    found = fitted(features, numbers, weights, sampling=True)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6)
    assert_same_covariance(found.covariance, known.cov_params())
    tenfold = fitted(features, numbers, 10 * weights, sampling=True)
    np.testing.assert_allclose(tenfold.covariance, found.covariance, rtol=1e-9)


@pytest.mark.parametrize(("robust", "kind"), [(False, "nonrobust"), (True, "HC0")])
def test_covariance_equals_statsmodels(robust: bool, kind: str) -> None:
    for features, numbers in (voters(), students()):
        known = statsmodels_of(features, numbers).fit(cov_type=kind, **EXACT)
        found = fitted(features, numbers, robust=robust)
        np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6)
        assert_same_covariance(found.covariance, known.cov_params())


def test_another_reference_changes_differences_alone() -> None:
    """Each coefficient is a difference to the reference, so that its covariance is that of a difference."""
    features, numbers = students()
    found, other = fitted(features, numbers), fitted(features, (numbers + 1) % 3)
    # In `other` the classes are vocation, academic and general, and the coefficients those of academic and general.
    differences = np.array([[0, -1], [1, -1]])
    np.testing.assert_allclose(other.coefficients, found.coefficients @ differences.T, rtol=1e-8)
    both = np.kron(differences, np.eye(4))
    assert_same_covariance(other.covariance, both @ found.covariance @ both.T)
    assert other.loss == pytest.approx(found.loss, rel=1e-12)


def test_equals_scikit_learn() -> None:
    """Scikit-learn gives coefficients to each class. Only their differences count."""
    features, numbers = voters()
    weights = np.random.default_rng(0).integers(1, 6, len(numbers)).astype(float)
    scaled = (features - features.mean()) / features.std()
    known = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=100)
    known.fit(scaled, numbers, sample_weight=weights)
    found = fitted(scaled, numbers, weights)
    all_coefficients = np.column_stack([known.intercept_, known.coef_])
    np.testing.assert_allclose(found.coefficients.T, all_coefficients[1:] - all_coefficients[0], rtol=1e-6, atol=1e-8)
