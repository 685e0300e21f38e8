"""The exact optimum on textbooks' tables, which lie in packages, against tests/reference/reference_dev.json."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from straightline.data import examples
from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.regression.coefficients import coefficient_table
from straightline.regression.optimum import Inference, Optimum
from tests.textbook_tables import REFERENCE, TABLES, table

FAMILY_OF = {"ols": "gaussian", "logit": "bernoulli"}


def fitted(rows: pd.DataFrame, target: str, names: list[str], kind: str, robust: bool = False) -> Optimum:
    source = held(Rows(rows[names].to_numpy(float), rows[target].to_numpy(float)))
    (found,) = exact.optima(
        source,
        [np.arange(len(rows), dtype=np.int32)],
        FAMILIES[FAMILY_OF[kind]],
        names,
        inference=Inference(robust),
    )
    return found


@pytest.mark.parametrize("name", TABLES)
def test_coefficients_and_standard_errors(name: str) -> None:
    known = REFERENCE[name]
    rows, names, target = table(name)
    assert len(rows) == known["n"]
    for key, robust in (("se", False), ("se_hc3", True)):
        found = fitted(rows, target, names, known["kind"], robust)
        assert found.covariance is not None
        np.testing.assert_allclose(found.coefficients, known["coef"], rtol=1e-6)
        if (name, key) == ("X1_nycflights", "se_hc3"):
            # What the reference has there is HC1.
            model = sm.OLS(rows[target], sm.add_constant(rows[names])).fit()
            np.testing.assert_allclose(model.HC1_se, known[key], rtol=1e-9)
            np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), model.HC3_se, rtol=1e-6)
        elif key in known:
            np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), known[key], rtol=1e-6)
    loss = known["mse_in_sample"] if known["kind"] == "ols" else known["cross_entropy"]
    assert found.loss == pytest.approx(loss, rel=1e-9)
    if known["kind"] == "ols":  # of a logistic regression it is that of the weighted columns
        assert found.condition_number == pytest.approx(known["cond_std"], rel=1e-6)


def test_breast_cancer_is_separated_and_shows_no_number_that_does_not_exist() -> None:
    rows = examples.load("breast_cancer")
    names = [f"x{number}" for number in range(30)]
    found = fitted(rows.set_axis([*names, "benign"], axis=1), "benign", names, "logit")
    assert found.method == "firth"
    assert found.covariance is None
    assert found.messages[0].startswith("the classes are separated by x")
    shown = coefficient_table(found, names, np.zeros(31), 0.95)
    assert shown[["estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high"]].isna().all(axis=None)
