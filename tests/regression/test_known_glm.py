"""Poisson and gamma regressions against Stata, R, books, statsmodels, glum and scikit-learn on known tables."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from glum import GeneralizedLinearRegressor
from numpy.typing import NDArray
from scipy import stats
from sklearn import linear_model
from statsmodels.discrete.tests.results.results_discrete import RandHIE
from statsmodels.genmod.tests.results import res_R_var_weight, results_glm, results_glm_poisson_weights

from straightline.data.rows import Rows
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.regression.optimum import Optimum
from tests import family_tables
from tests.regression.covariances import assert_same_covariance

POISSON, GAMMA = sm.families.Poisson(), sm.families.Gamma(sm.families.links.Log())
FAMILY_NAMES = {POISSON: "poisson", GAMMA: "gamma"}
EXACT = {"tol": 1e-13, "maxiter": 100}  # Statsmodels stops at 1e-8 by default.


def fitted(model: sm.GLM, weights: NDArray | None = None, offset: NDArray | None = None, **options: bool) -> Optimum:
    """Return the optimum of the table that a model of statsmodels holds, whose first column is the intercept."""
    rows = Rows(model.exog[:, 1:], model.endog.astype(float), weights, offset)
    return exact.optimum(rows, FAMILIES[FAMILY_NAMES[model.family]], model.exog_names[1:], **options)


def errors(found: Optimum) -> NDArray:
    assert found.covariance is not None
    return np.sqrt(np.diag(found.covariance))


def log_likelihood(found: Optimum, model: sm.GLM) -> float:
    """Return the log-likelihood of counts under our coefficients."""
    return float(stats.poisson.logpmf(model.endog, np.exp(found.predict(model.exog[:, 1:]))).sum())


def intercept_first(values: NDArray) -> NDArray:
    """Return the values in our order, if they are those of Stata, which has the intercept last."""
    return np.roll(values, 1, axis=0)


# What is printed


@dataclass(frozen=True)
class Printed:
    """The estimate and the standard error of columns as they are printed with some decimals, and the deviance."""

    table: Callable[[], pd.DataFrame]
    formula: str
    values: dict[str, tuple[float, float]]
    decimals: int
    deviance: tuple[float, int]
    offset: str | None = None

    def model(self) -> sm.GLM:
        return smf.glm(self.formula, self.table(), family=POISSON)

    def exposure(self) -> NDArray | None:
        """Return the logarithm of the exposure, which is the offset."""
        return None if self.offset is None else np.log(self.table()[self.offset].to_numpy(float))


DOCTOR_VISITS = (
    "doctorco ~ sex + age + I(age**2) + income + levyplus + freepor + freerepa + illness + actdays + hscore + la + nla"
)
PRINTED = {
    # Hilbe (2011), "Negative Binomial Regression", 2nd edition, the Poisson model of the length of stay (Stata).
    "stays": Printed(
        family_tables.hospital_stays,
        "los ~ hmo + white + type2 + type3",
        {
            "Intercept": (2.332933, 0.027208),
            "hmo": (-0.071549, 0.023944),
            "white": (-0.153871, 0.027413),
            "type2": (0.221652, 0.021052),
            "type3": (0.709477, 0.026136),
        },
        decimals=6,
        deviance=(8142.666, 3),
    ),
    # Cameron and Trivedi (1998), "Regression Analysis of Count Data", table 3.3, columns "Coef" and "MLH". In R's
    # Ecdat the names of the chronic conditions are exchanged: `la` are those that do not limit activity, CHCOND1.
    "visits": Printed(
        family_tables.doctor_visits,
        DOCTOR_VISITS,
        {
            "Intercept": (-2.224, 0.190),
            "sex": (0.157, 0.056),
            "age": (1.056, 1.001),
            "I(age ** 2)": (-0.849, 1.078),
            "income": (-0.205, 0.088),
            "levyplus": (0.123, 0.072),
            "freepor": (-0.440, 0.180),
            "freerepa": (0.080, 0.092),
            "illness": (0.187, 0.018),
            "actdays": (0.127, 0.005),
            "hscore": (0.030, 0.010),
            "la": (0.114, 0.067),
            "nla": (0.141, 0.083),
        },
        decimals=3,
        deviance=(4379.5, 1),  # R, in the example of AER's DoctorVisits
    ),
    # James, Witten, Hastie and Tibshirani (2021), "An Introduction to Statistical Learning", section 4.7.7 (R), where
    # months and hours are coded so that their coefficients sum to 0.
    "bikes": Printed(
        family_tables.bikes,
        "bikers ~ C(mnth, Sum) + C(hr, Sum) + workingday + temp + weathersit",
        {
            "Intercept": (4.118245, 0.006021),
            "C(mnth, Sum)[S.Jan]": (-0.670170, 0.005907),
            "C(mnth, Sum)[S.Feb]": (-0.444124, 0.004860),
            "C(mnth, Sum)[S.March]": (-0.293733, 0.004144),
            "C(mnth, Sum)[S.April]": (0.021523, 0.003125),
            "workingday": (0.014665, 0.001955),
            "temp": (0.785292, 0.011475),
            "weathersit[T.cloudy/misty]": (-0.075231, 0.002179),
            "weathersit[T.light rain/snow]": (-0.575800, 0.004058),
            "weathersit[T.heavy rain/snow]": (-0.926287, 0.166782),
        },
        decimals=6,
        deviance=(228041, 0),
    ),
    # R's example of MASS::Insurance. The coefficients of the districts do not depend on the coding of the other two
    # factors, which R codes as polynomials.
    "claims": Printed(
        family_tables.claims,
        "Claims ~ C(District) + Group + Age",
        {
            "C(District)[T.2]": (0.02587, 0.04302),
            "C(District)[T.3]": (0.03852, 0.05051),
            "C(District)[T.4]": (0.23421, 0.06167),
        },
        decimals=5,
        deviance=(51.42, 2),
        offset="Holders",
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_counts_in_books(name: str) -> None:
    known = PRINTED[name]
    model = known.model()
    found = fitted(model, offset=known.exposure())
    at = [model.exog_names.index(column) for column in known.values]
    ours = np.column_stack([found.coefficients, errors(found)])[at]
    np.testing.assert_allclose(ours, [*known.values.values()], rtol=0, atol=0.501 * 10.0**-known.decimals)
    deviance, decimals = known.deviance
    assert found.loss * len(model.endog) == pytest.approx(deviance, rel=0, abs=0.501 * 10.0**-decimals)


def test_counts_in_books_are_overdispersed() -> None:
    model = PRINTED["stays"].model()
    plain, quasi = fitted(model), fitted(model, quasi=True)
    assert quasi.dispersion == pytest.approx(6.260391, abs=1e-6)  # Hilbe (2011): "(1/df) Pearson"
    np.testing.assert_array_equal(quasi.coefficients, plain.coefficients)
    np.testing.assert_allclose(errors(quasi), errors(plain) * np.sqrt(quasi.dispersion), rtol=1e-12)


def test_sandwich_in_a_book() -> None:
    model = PRINTED["visits"].model()
    found = fitted(model, robust=True)
    # Cameron and Trivedi (1998), table 3.3, column "RS", in the order of DOCTOR_VISITS.
    known = [0.254, 0.079, 1.364, 1.460, 0.129, 0.095, 0.290, 0.126, 0.024, 0.008, 0.014, 0.091, 0.123]
    np.testing.assert_allclose(errors(found), known, rtol=0, atol=0.000501)
    assert log_likelihood(found, model) == pytest.approx(-3355.54, abs=0.005)  # R's logLik, in AER's DoctorVisits


# What Stata and R have computed, as it lies in the tests of statsmodels


def test_counts_in_stata() -> None:
    table, known = family_tables.randhie(), RandHIE.poisson
    model = smf.glm("mdvis ~ " + " + ".join(table.columns.drop("mdvis")), table, family=POISSON)
    found = fitted(model)
    np.testing.assert_allclose(found.coefficients, intercept_first(known.params), rtol=1e-6)
    np.testing.assert_allclose(errors(found), intercept_first(known.bse), rtol=1e-6)
    assert log_likelihood(found, model) == pytest.approx(known.llf, rel=1e-9)


REPEATED = np.array([1, 1, 1, 2, 2, 2, 3, 3, 3, 1, 1, 1, 2, 2, 2, 3, 3], float)  # results_glm_poisson_weights
EXECUTIONS = "EXECUTIONS ~ INCOME + PERPOVERTY + PERBLACK + np.log(VC100k96) + SOUTH + DEGREE"


@pytest.mark.parametrize(
    ("key", "weighted", "options", "correction"),
    [
        ("none_nonrobust", False, {}, 1),
        ("none_hc1", False, {"robust": True}, 17 / 16),
        ("fweight_nonrobust", True, {}, 1),
        ("fweight_hc1", True, {"robust": True}, 33 / 32),
        ("pweight_nonrobust", True, {"sampling": True}, 17 / 16),
    ],
)
def test_weights_in_stata(key: str, weighted: bool, options: dict[str, bool], correction: float) -> None:
    """Stata's fweights are our frequency weights, its pweights our sampling weights.

    Stata multiplies a sandwich by N / (N - 1), where N is the number of rows, or the sum of the frequency weights.
    """
    known = getattr(results_glm_poisson_weights, f"results_poisson_{key}")
    found = fitted(
        smf.glm(EXECUTIONS, family_tables.executions(), family=POISSON), REPEATED if weighted else None, **options
    )
    estimates, standard_errors = intercept_first(known.params_table[:, :2]).T
    # Stata's iterations end when the estimates are this close to the optimum.
    np.testing.assert_allclose(found.coefficients, estimates, rtol=2e-6)
    np.testing.assert_allclose(errors(found) * np.sqrt(correction), standard_errors, rtol=1e-6)
    total = REPEATED.sum() if weighted else len(REPEATED)
    assert found.loss * total == pytest.approx(known.deviance, rel=1e-7)


def test_exposure_in_r() -> None:
    known = results_glm.Cpunish_offset()
    found = fitted(
        smf.glm(EXECUTIONS, family_tables.executions(), family=POISSON), offset=np.full(len(REPEATED), np.log(100))
    )
    np.testing.assert_allclose(found.coefficients, known.params, rtol=2e-6)
    np.testing.assert_allclose(errors(found), known.bse, rtol=2e-4)  # has four digits
    assert found.loss * len(REPEATED) == pytest.approx(known.deviance, rel=1e-6)


def drug_trial() -> sm.GLM:
    return smf.glm("studytime ~ age + second + third", family_tables.drug_trial(), family=GAMMA)


def test_amounts_in_r() -> None:
    """R's standard errors have the expected information and Pearson's dispersion."""
    known = results_glm.CancerLog()
    found = fitted(drug_trial())
    # R's iterations end when the deviance hardly changes. The estimates are then less close to the optimum.
    np.testing.assert_allclose(found.coefficients, intercept_first(known.params), rtol=3e-5)
    np.testing.assert_allclose(errors(found), intercept_first(known.bse), rtol=3e-5)
    assert found.loss * 48 == pytest.approx(known.deviance, rel=1e-8)
    assert found.dispersion == pytest.approx(known.scale, rel=3e-5)
    assert found.degrees_of_freedom == known.df_resid


def test_weighted_amounts_in_r() -> None:
    """R's weights are no frequencies: its dispersion has the number of rows where ours has the sum of the weights."""
    known = res_R_var_weight.results_gamma_aweights_nonrobust
    weights = np.ones(48)
    weights[::5], weights[::13] = 5, 3  # as in statsmodels' TestGlmGammaAwNr
    found = fitted(drug_trial(), weights)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-7)
    correction = (weights.sum() - 4) / (48 - 4)
    np.testing.assert_allclose(errors(found) * np.sqrt(correction), known.bse, rtol=1e-7)
    assert found.loss * weights.sum() == pytest.approx(known.deviance, rel=1e-7)
    assert found.degrees_of_freedom == weights.sum() - 4


# Closed forms


def test_rates_of_two_groups() -> None:
    """With a column of two values the coefficient is the log ratio of two rates, its variance a sum of reciprocals."""
    table = family_tables.counties()
    large = table["population"] > table["population"].median()
    model = smf.glm("cancer ~ large", table.assign(large=large.astype(float)), family=POISSON)
    found = fitted(model, offset=np.log(table["population"].to_numpy()))
    deaths = table["cancer"].groupby(large).sum()
    rates = deaths / table["population"].groupby(large).sum()
    np.testing.assert_allclose(
        found.coefficients, [np.log(rates[False]), np.log(rates[True] / rates[False])], rtol=1e-9
    )
    np.testing.assert_allclose(errors(found) ** 2, [1 / deaths[False], (1 / deaths).sum()], rtol=1e-9)


# Other programs, with weights and an offset

STAYS = "los ~ hmo + white + type2 + type3 + age80"
DISTRICTS = "YES ~ COUTAX + UNEMPF + MOR + ACT + GDP + AGE + COUTAX_FEMALEUNEMP"
MODELS: dict[str, Callable[[], sm.GLM]] = {
    "stays": lambda: smf.glm(STAYS, family_tables.hospital_stays(), family=POISSON),
    "lengths": lambda: smf.glm(STAYS, family_tables.hospital_stays(), family=GAMMA),
    "trial": drug_trial,
    "scotland": lambda: smf.glm(DISTRICTS, family_tables.scotland(), family=GAMMA),
}


def weights_and_offset(model: sm.GLM) -> tuple[NDArray, NDArray]:
    random = np.random.default_rng(0)
    return random.integers(1, 6, len(model.endog)).astype(float), random.normal(scale=0.3, size=len(model.endog))


def again(model: sm.GLM, **options: NDArray) -> sm.GLM:
    return sm.GLM(model.endog, model.exog, family=model.family, **options)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("robust", [False, True], ids=["classical", "sandwich"])
def test_frequencies_equal_statsmodels(name: str, robust: bool) -> None:
    model = MODELS[name]()
    weights, offset = weights_and_offset(model)
    known = again(model, freq_weights=weights, offset=offset).fit(cov_type="HC0" if robust else "nonrobust", **EXACT)
    found = fitted(model, weights, offset, robust=robust)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6, atol=1e-8)
    assert_same_covariance(found.covariance, known.cov_params())
    assert found.loss * weights.sum() == pytest.approx(known.deviance, rel=1e-9)
    if model.family is GAMMA:
        assert found.dispersion == pytest.approx(known.scale, rel=1e-6)
        assert found.degrees_of_freedom == known.df_resid


@pytest.mark.parametrize("name", MODELS)
def test_sampling_weights_equal_statsmodels(name: str) -> None:
    """Statsmodels' variance weights with a sandwich are sampling weights."""
    model = MODELS[name]()
    weights, offset = weights_and_offset(model)
    known = again(model, var_weights=weights, offset=offset).fit(cov_type="HC0", **EXACT)
    found = fitted(model, weights, offset, sampling=True)
    np.testing.assert_allclose(found.coefficients, known.params, rtol=1e-6, atol=1e-8)
    assert_same_covariance(found.covariance, known.cov_params())
    tenfold = fitted(model, 10 * weights, offset, sampling=True)
    np.testing.assert_allclose(tenfold.covariance, found.covariance, rtol=1e-9)


def test_quasi_poisson_equals_statsmodels() -> None:
    model = MODELS["stays"]()
    weights, offset = weights_and_offset(model)
    known = again(model, freq_weights=weights, offset=offset).fit(scale="X2", **EXACT)
    found = fitted(model, weights, offset, quasi=True)
    assert found.dispersion == pytest.approx(known.scale, rel=1e-6)
    assert found.degrees_of_freedom == known.df_resid
    assert_same_covariance(found.covariance, known.cov_params())


@pytest.mark.parametrize("name", MODELS)
def test_equals_glum(name: str) -> None:
    """Glum multiplies each covariance by N / (N - p), where N is the sum of the weights."""
    model = MODELS[name]()
    weights, offset = weights_and_offset(model)
    features = model.exog[:, 1:]
    known = GeneralizedLinearRegressor(
        family=FAMILY_NAMES[model.family], link="log", alpha=0, gradient_tol=1e-11, scale_predictors=True
    ).fit(features, model.endog, sample_weight=weights, offset=offset)
    correction = weights.sum() / (weights.sum() - model.exog.shape[1])
    for options in ({"robust": False}, {"robust": True, "expected_information": False}):
        robust = options["robust"]
        found = fitted(model, weights, offset, sampling=robust)
        dispersion = found.dispersion if model.family is GAMMA else 1.0
        covariance = known.covariance_matrix(
            features, model.endog, sample_weight=weights, offset=offset, dispersion=dispersion, **options
        )
        np.testing.assert_allclose(found.coefficients, [known.intercept_, *known.coef_], rtol=1e-6, atol=1e-8)
        assert_same_covariance(found.covariance * correction, covariance)


@pytest.mark.parametrize("name", MODELS)
def test_equals_scikit_learn(name: str) -> None:
    """Scikit-learn has no offset. Counts divided by an exposure, with it as a further weight, have the same optimum."""
    model = MODELS[name]()
    weights, offset = weights_and_offset(model)
    kind = linear_model.PoissonRegressor if model.family is POISSON else linear_model.GammaRegressor
    exposure = np.exp(offset)
    centre, scale = model.exog[:, 1:].mean(axis=0), model.exog[:, 1:].std(axis=0)
    known = kind(alpha=0, solver="newton-cholesky", tol=1e-10, max_iter=100).fit(
        (model.exog[:, 1:] - centre) / scale,
        model.endog / exposure,
        sample_weight=weights * exposure if model.family is POISSON else weights,
    )
    found = fitted(model, weights, offset)
    np.testing.assert_allclose(found.coefficients[1:], known.coef_ / scale, rtol=1e-6, atol=1e-8)
    assert found.coefficients[0] == pytest.approx(known.intercept_ - centre @ (known.coef_ / scale), rel=1e-6)
