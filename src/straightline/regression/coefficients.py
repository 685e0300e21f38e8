"""A regression's coefficients as a table, and how many of their digits are right."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from straightline.regression.exact import Optimum


def agreeing_digits(found: NDArray, known: NDArray) -> float:
    """Return how many digits of `found` are right, the fewest of all: the log relative error (McCullough 1998, eq. 1).

    Where `known` is 0 it is the log absolute error; 15 digits are the most that float64 can tell.
    """
    error = np.abs(found - known) / np.where(known == 0, 1.0, np.abs(known))
    return float(np.clip(-np.log10(np.maximum(error, 1e-15)), 0.0, None).min())


def coefficient_table(fitted: Optimum, names: Sequence[str], trained: NDArray, confidence: float) -> pd.DataFrame:
    """Return coefficients.csv: a row a term, blank where a number does not exist; `trained` is what descent reached."""
    estimate = fitted.estimates
    variance = np.full(len(estimate), np.nan) if fitted.covariance is None else np.diag(fitted.covariance)
    std_error = np.where(fitted.identified, np.sqrt(variance), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    distribution = stats.t(fitted.degrees_of_freedom) if np.isfinite(fitted.degrees_of_freedom) else stats.norm()
    half = distribution.ppf((1 + confidence) / 2) * std_error
    table = pd.DataFrame(
        {
            "term": ["Intercept", *names],
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * distribution.sf(np.abs(statistic)),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "trained": trained,
        }
    )
    return table if fitted.intercept else table.drop(index=0)
