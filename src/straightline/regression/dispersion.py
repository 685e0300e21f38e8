"""How much labels vary about the predictions of a regression, compared with what its family expects."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from straightline.data.passes import Pass
from straightline.data.rows import Rows
from straightline.families import Family
from straightline.formatting import number, percent
from straightline.regression.standardized import Standardized
from straightline.regression.triangles import joined, triangle

SURE = 0.001  # The probability that chance alone gives rise to a message.
MATTERS = 1.1  # A dispersion, or a share of zeros, that is larger by less changes little.


class Variation(NamedTuple):
    """Sums over rows: Pearson's statistic, and for counts what `_of_counts` returns for each row.

    `root` is a triangular square root of the information that standard errors use.
    """

    pearson: float
    counts: NDArray
    root: NDArray


def variation(standardized: Standardized, family: Family, weights: NDArray) -> Pass:
    """Return the pass that computes the `Variation` about the predictions with `weights`."""

    def compute(rows: Rows) -> Variation:
        design = standardized(rows.features)
        predictor = standardized.predictor(design, weights, rows)
        information = rows.weighted(family.information(predictor, rows.labels))
        mean = family.inverse_link(predictor)
        pearson = rows.weighted((rows.labels - mean) ** 2 / np.maximum(family.variance(mean), 1e-300)).sum()
        counts = rows.weighted(_of_counts(rows.labels, mean)) if family.is_count else np.zeros((0, 5))
        design *= np.sqrt(information)[:, np.newaxis]
        return Variation(float(pearson), counts.sum(axis=0), triangle(design))

    def combine(first: Variation, second: Variation) -> Variation:
        return Variation(first.pearson + second.pearson, first.counts + second.counts, joined(first.root, second.root))

    return Pass(compute, combine)


def _of_counts(labels: NDArray, mean: NDArray) -> NDArray:
    """Return `(rows, 5)`: score of overdispersion and its variance; whether 0, its probability and its variance.

    The score, (y - mu)^2 - y with the variance 2 mu^2, is that of the statistic P_B of Dean 1992, "Testing for
    Overdispersion in Poisson and Binomial Regression Models". Unlike that of Pearson's statistic its distribution is
    nearly normal for small means too: of 600 counts with means about 0.1, one table in ten looked overdispersed by
    Pearson's, and one in 300 does by this one, at a level of one in 1,000.
    """
    empty = np.exp(-mean)
    return np.column_stack([(labels - mean) ** 2 - labels, 2 * mean**2, labels == 0, empty, empty * (1 - empty)])


def count_messages(found: Variation, freedom: float, quasi: bool) -> list[str]:
    """Return messages about counts that vary more than a Poisson distribution allows, or are 0 too often.

    `freedom` are the degrees of freedom of the residuals. With `quasi` standard errors already allow for it.
    """
    score, score_variance, zeros, expected, zeros_variance = np.maximum(found.counts, 1e-300)
    sure = stats.norm.isf(SURE)
    messages = []
    ratio = found.pearson / freedom if freedom > 0 else 0.0
    if ratio > MATTERS and score > sure * np.sqrt(score_variance):
        advice = (
            "standard errors allow for it"
            if quasi
            else "standard errors are too small: set models.regression.quasi=true or models.regression.robust=true"
        )
        messages.append(
            f"the counts vary {number(ratio, 2)} times as much about the predictions as those of a Poisson "
            f"distribution (overdispersion); predictions stand, {advice}"
        )
    if zeros > MATTERS * expected and zeros - expected > sure * np.sqrt(zeros_variance):
        rows = freedom + len(found.root)
        messages.append(
            f"{percent(zeros / rows)} of the counts are 0, where a Poisson distribution with these means has "
            f"{percent(expected / rows)} (excess zeros); predict apart whether a count is above 0 (family: bernoulli), "
            "and how large it is in the rows above 0"
        )
    return messages
