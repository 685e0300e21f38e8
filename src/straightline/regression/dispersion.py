"""How much labels vary about the predictions of a regression, compared with what its family expects."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from straightline.data.rows import Rows
from straightline.data.source import Pass
from straightline.families import Family
from straightline.formatting import percent
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, triangle

SURE = 0.001  # The probability that chance alone gives rise to a message.
MATTERS = 1.1  # A dispersion, or a share of zeros, that is larger by less changes little.


class Variation(NamedTuple):
    """Sums over rows: Pearson's statistic, zeros that are there and expected ones with their variance.

    `root` is a triangular square root of the information that standard errors use.
    """

    pearson: float
    zeros: float
    expected_zeros: float
    zeros_variance: float
    root: NDArray


def variation(standardized: Standardized, family: Family, weights: NDArray) -> Pass:
    """Return the pass that computes the `Variation` about the predictions with `weights`."""

    def compute(rows: Rows) -> Variation:
        design = standardized(rows.features)
        predictor = standardized.predictor(design, weights, rows)
        information = rows.weighted(family.information(predictor, rows.labels))
        mean = family.inverse_link(predictor)
        pearson = rows.weighted((rows.labels - mean) ** 2 / np.maximum(family.variance(mean), 1e-300))
        empty = np.exp(-mean) if family.is_count else np.zeros(1)
        sums = [pearson, rows.weighted((rows.labels == 0).astype(float))]
        if family.is_count:
            sums += [rows.weighted(empty), rows.weighted(empty * (1 - empty))]
        else:
            sums += [empty, empty]
        design *= np.sqrt(information)[:, np.newaxis]
        pearson_sum, zeros, expected, variance = (float(values.sum()) for values in sums)
        return Variation(pearson_sum, zeros, expected, variance, triangle(design))

    def combine(first: Variation, second: Variation) -> Variation:
        return Variation(
            first.pearson + second.pearson,
            first.zeros + second.zeros,
            first.expected_zeros + second.expected_zeros,
            first.zeros_variance + second.zeros_variance,
            joined(first.root, second.root),
        )

    return Pass(compute, combine)


def count_messages(found: Variation, freedom: float, quasi: bool) -> list[str]:
    """Return messages about counts that vary more than a Poisson distribution allows, or are 0 too often.

    `freedom` are the degrees of freedom of the residuals. With `quasi` standard errors already allow for it.
    """
    messages = []
    ratio = found.pearson / freedom if freedom > 0 else 0.0
    if ratio > MATTERS and stats.chi2.sf(found.pearson, freedom) < SURE:
        advice = (
            "standard errors allow for it"
            if quasi
            else "standard errors are too small: set models.regression.quasi=true or models.regression.robust=true"
        )
        messages.append(
            f"the counts vary {ratio:.2g} times as much about the predictions as those of a Poisson distribution "
            f"(overdispersion); predictions stand, {advice}"
        )
    expected = max(found.expected_zeros, 1e-300)
    surplus = (found.zeros - expected) / np.sqrt(max(found.zeros_variance, 1e-300))
    if found.zeros > MATTERS * expected and surplus > stats.norm.isf(SURE):
        rows = freedom + len(found.root)
        messages.append(
            f"{percent(found.zeros / rows)} of the counts are 0, where a Poisson distribution with these means has "
            f"{percent(expected / rows)} (excess zeros); predict apart whether a count is above 0 (family: bernoulli), "
            "and how large it is in the rows above 0"
        )
    return messages
