"""`straightline.Regression` and `Network` as estimators of scikit-learn, against statsmodels and scikit-learn."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import straightline as sl
from straightline.families import FAMILIES

FEATURES, TARGET = load_diabetes(return_X_y=True, as_frame=True)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_scikit_learn_accepts_the_regression(family: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(sl.Regression(family))


UNEQUAL = "minibatches of repeated rows differ from those of weighted rows, as in scikit-learn's SGDRegressor"


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_scikit_learn_accepts_the_network(family: str) -> None:
    network = sl.Network(family=family, hidden=(4,), learning_rate=0.01, l2=0.0001, members=2, line=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(network, expected_failed_checks={"check_sample_weight_equivalence_on_dense_data": UNEQUAL})


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [sl.Regression(), sl.Network((4,), learning_rate=0.01, l2=0.0, members=2)])
def test_skore_evaluates_the_estimators(estimator: sl.Regression | sl.Network) -> None:
    from skore import evaluate

    report = evaluate(estimator, FEATURES, TARGET, splitter=3)
    found = report.metrics.r2(aggregate=None).to_numpy().ravel()
    known = cross_val_score(clone(estimator), FEATURES, TARGET, cv=3)
    assert len(found) == 3
    if isinstance(estimator, sl.Regression):
        np.testing.assert_allclose(found, known, rtol=1e-9)
    else:
        assert (found > 0).all()


def test_the_summary_is_that_of_statsmodels() -> None:
    found = sl.Regression().fit(FEATURES, TARGET)
    known = sm.OLS(TARGET, sm.add_constant(FEATURES)).fit()
    table = found.tidy()
    assert table["term"].tolist() == ["Intercept", *FEATURES.columns]
    np.testing.assert_allclose(table["estimate"], known.params, rtol=1e-9)
    np.testing.assert_allclose(table["std_error"], known.bse, rtol=1e-9)
    np.testing.assert_allclose(table["p_value"], known.pvalues, rtol=1e-6)
    np.testing.assert_allclose(table[["ci_low", "ci_high"]], known.conf_int(), rtol=1e-8)
    assert "bmi" in str(found.summary())
    assert found.summary().as_latex().startswith(r"\begin{table}")
    np.testing.assert_allclose(found.predict(FEATURES), LinearRegression().fit(FEATURES, TARGET).predict(FEATURES))


def test_counts_with_an_offset_are_those_of_statsmodels() -> None:
    random = np.random.default_rng(0)
    x, offset = random.normal(size=(200, 2)), random.normal(size=200)
    y = random.poisson(np.exp(0.3 * x[:, 0] + offset))
    found = sl.Regression("poisson").fit(x, y, offset=offset)
    known = sm.GLM(y, sm.add_constant(x), sm.families.Poisson(), offset=offset).fit(tol=1e-12)
    np.testing.assert_allclose(found.tidy()["estimate"], known.params, rtol=1e-8)
    np.testing.assert_allclose(found.predict(x, offset), known.fittedvalues, rtol=1e-8)


def test_classes_are_those_of_scikit_learn() -> None:
    features, numbers = load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[numbers]
    some = features[:, :2]
    found = sl.Regression("multinomial").fit(some[50:], words[50:])  # Two classes have one linear predictor.
    known = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(some[50:], words[50:])
    np.testing.assert_allclose(found.predict_proba(some), known.predict_proba(some), rtol=1e-4)
    assert found.classes_.tolist() == ["versicolor", "virginica"]
    assert found.score(some[50:], words[50:]) == known.score(some[50:], words[50:])


def test_it_fits_into_the_tools_of_scikit_learn() -> None:
    pipe = make_pipeline(StandardScaler(), sl.Regression())
    np.testing.assert_allclose(
        cross_val_score(pipe, FEATURES, TARGET, cv=3), cross_val_score(LinearRegression(), FEATURES, TARGET, cv=3)
    )
    search = GridSearchCV(sl.Regression(), {"l2": [0.0, 0.1, 10.0]}, cv=3).fit(FEATURES, TARGET)
    assert search.best_params_["l2"] < 10
    copy = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(copy.predict(FEATURES), search.best_estimator_.predict(FEATURES))


def test_nothing_heavy_is_imported_and_nothing_is_printed() -> None:
    code = (
        "import sys, straightline as sl\n"
        "assert 'pandas' not in sys.modules and 'numpy' not in sys.modules\n"
        "import numpy as np\n"
        "sl.Regression('bernoulli').fit(np.arange(8.0)[:, None], [0, 0, 1, 0, 1, 0, 1, 1])\n"
        "assert not {'tensorflow', 'keras', 'mlflow', 'dvc', 'hydra'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


X = pd.DataFrame({"x": np.linspace(-1, 1, 80)})
CURVE = X["x"].to_numpy() ** 2


def test_a_seed_makes_a_network_the_same_again() -> None:
    options = {"hidden": (8,), "learning_rate": 0.01, "l2": 0.0001, "members": 2, "random_state": 1}
    first, second = (sl.Network(**options).fit(X, CURVE) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_allclose(copy.predict(X), first.predict(X), rtol=1e-6)
    assert first.score(X, CURVE) > 0.9 > LinearRegression().fit(X, CURVE).score(X, CURVE)


def test_settings_of_a_network_that_are_out_of_range_are_named() -> None:
    with pytest.raises(sl.UserError, match="learning_rate"):
        sl.Network(learning_rate=-1.0).fit(X, CURVE)
