"""The coefficients of a regression as a table, and the number of their correct digits."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.regression.optimum import Optimum


def agreeing_digits(estimate: NDArray, exact: NDArray) -> float:
    """Return the smallest number of correct digits in `estimate`: the log relative error (McCullough 1998, eq. 1).

    If an `exact` value is 0, the log absolute error is used. The result is at most 15, the limit of float64.
    """
    error = np.abs(estimate - exact) / np.where(exact == 0, 1.0, np.abs(exact))
    return float(np.clip(-np.log10(np.maximum(error, 1e-15)), 0.0, None).min())


def coefficient_table(
    fitted: Optimum,
    names: Sequence[str],
    trained: NDArray,
    confidence: float,
    classes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the table coefficients.csv with a row for each term. A number that does not exist is blank.

    With several linear predictors, the column `class` says which of the `classes` a row belongs to. `scale` is the
    standard deviation of the term, so that estimates of columns in different units can be compared. `trained` are the
    coefficients of gradient descent. Confidence intervals have the level `confidence`.
    """
    estimate, identified = (values.T.ravel() for values in (fitted.estimates, fitted.identified))
    repeats = len(estimate) // (1 + len(names))
    variance = np.full(len(estimate), np.nan) if fitted.covariance is None else np.diag(fitted.covariance)
    # Rounding errors of columns far from 0 that are close to collinear may leave less than 0 of a variance.
    std_error = np.sqrt(np.where(identified & (variance >= 0), variance, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    distribution = stats.t(fitted.degrees_of_freedom) if np.isfinite(fitted.degrees_of_freedom) else stats.norm()
    half = distribution.ppf((1 + confidence) / 2) * std_error
    table = pd.DataFrame(
        {
            "term": ["Intercept", *names] * repeats,
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * distribution.sf(np.abs(statistic)),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "trained": trained.T.ravel(),
            "scale": np.tile(np.append(np.nan, fitted.scales), repeats),
        }
    )
    if classes is not None:
        table.insert(0, "class", np.repeat(list(classes), 1 + len(names)))
    return table if fitted.intercept else table[table["term"] != "Intercept"]
