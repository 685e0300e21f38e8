"""The corrected repeated k-fold test of two models' losses on the same folds.

Nadeau and Bengio, Inference for the Generalization Error, Machine Learning 52 (2003), section 3; Bouckaert and Frank,
Evaluating the Replicability of Significance Tests for Comparing Learning Algorithms, PAKDD 2004, eq. 1.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats


@dataclass(frozen=True)
class FoldTest:
    """The corrected t test of fold differences: their mean, its standard error, and the degrees of freedom."""

    mean: float
    std_error: float
    degrees_of_freedom: int

    def probability_positive(self) -> float:
        """Return P(mean difference > 0). If the differences do not vary, the sign of the mean decides: 0, 0.5 or 1."""
        if self.std_error == 0:
            return 0.5 + 0.5 * float(np.sign(self.mean))
        return float(stats.t.cdf(self.mean / self.std_error, self.degrees_of_freedom))


@dataclass(frozen=True)
class Comparison:
    """Mean losses of a baseline and a challenger on the same J = k R folds (R repeats), each `(J,)`.

    `folds` is k; of large tables J is smaller, since models are fitted in some of the folds. `ratio` is the number of
    test rows per training row, averaged over the folds. None stands for k equal folds, which have the ratio 1/(k-1) and
    can be repeated. For folds with growing training sets (`folds.Split`), the correction is a rule of thumb.
    """

    baseline: NDArray
    challenger: NDArray
    folds: int
    ratio: float | None = None

    @property
    def gain(self) -> float:
        """The share of the baseline's mean loss that the challenger saves, or 0 if that loss is 0."""
        baseline, challenger = float(self.baseline.mean()), float(self.challenger.mean())
        return 1 - challenger / baseline if baseline > 0 else 0.0

    def test(self, differences: NDArray) -> FoldTest:
        """Return the test of `differences` between the losses, `(J,)`."""
        return corrected_t_test(differences, test_ratio(self.folds, self.ratio))

    def differences(self, margin: float) -> tuple[NDArray, NDArray]:
        """Return D1 = (1-margin) L_baseline - L_challenger and D2 = (1-margin) L_challenger - L_baseline, `(J,)`."""
        baseline, challenger = self.baseline, self.challenger
        return (1 - margin) * baseline - challenger, (1 - margin) * challenger - baseline

    def gain_interval(self, level: float) -> tuple[float | None, float | None]:
        """Return the bounds of the gain: the margins at which P(D1 > 0) equals `level` and 1 - `level`.

        A bound is None if no margin up to 1 reaches it.
        """
        if float(self.baseline.mean()) <= 0:
            return None, None

        def excess(margin: float, probability: float) -> float:
            return self.test(self.differences(margin)[0]).probability_positive() - probability

        return _crossing(excess, self.gain, -1.0, level), _crossing(excess, self.gain, 1.0, 1 - level)


@dataclass(frozen=True)
class FoldLosses:
    """Losses of all models on the same J folds, each `(J,)`, and of the prediction that uses no column.

    `models` has the losses by name, that of the `baseline` among them. `folds` and `ratio` are those of `Comparison`.
    `looks` is the number of samples of growing size after which a network could be called better, and the models
    `learning` still learn from more rows than they had.
    """

    models: Mapping[str, NDArray]
    baseline: str
    without_columns: NDArray
    folds: int
    ratio: float | None = None
    looks: int = 1
    learning: Collection[str] = ()

    def comparisons(self) -> dict[str, Comparison]:
        """Return the comparison of each challenger with the baseline."""
        baseline = self.models[self.baseline]
        return {
            name: Comparison(baseline, losses, self.folds, self.ratio)
            for name, losses in self.models.items()
            if name != self.baseline
        }

    def comparisons_without_columns(self) -> dict[str, Comparison]:
        """Return the comparison of each model with the prediction that uses no column."""
        return {
            name: Comparison(self.without_columns, losses, self.folds, self.ratio)
            for name, losses in self.models.items()
        }


def corrected_t_test(differences: NDArray, ratio: float) -> FoldTest:
    """Return the test of fold differences `(J,)`. The standard error is s sqrt(1/J + n2/n1).

    s is the standard deviation of the differences, and `ratio` is n2/n1, the number of test rows per training row:
    1/(k-1) for k folds.
    """
    count = len(differences)
    spread = float(np.std(differences, ddof=1))
    # Equal differences have a tiny spread by rounding errors. It counts as zero.
    if spread <= 1e-14 * float(np.abs(differences).max(initial=0.0)):
        spread = 0.0
    return FoldTest(float(np.mean(differences)), spread * math.sqrt(1 / count + ratio), count - 1)


def test_ratio(folds: int, ratio: float | None) -> float:
    """Return n2/n1, the number of test rows per training row: `ratio`, or for None the ratio of equal folds."""
    return 1 / (folds - 1) if ratio is None else ratio


def loss_interval(losses: NDArray, ratio: float, confidence: float) -> tuple[float, float]:
    """Return the bounds of the mean of fold losses `(J,)`, each at `confidence`, with the variance of the test."""
    test = corrected_t_test(losses, ratio)
    reach = float(stats.t.ppf(confidence, test.degrees_of_freedom)) * test.std_error
    return test.mean - reach, test.mean + reach


def _crossing(
    excess: Callable[[float, float], float], gain: float, direction: float, probability: float
) -> float | None:
    """Return the margin at which `excess` is zero, or None. The search goes outwards from `gain` in `direction`.

    At the margin `gain`, the probability in `excess` is one half.
    """
    if excess(gain, probability) * -direction >= 0:
        return gain  # The losses do not vary, and their mean difference is a rounding error instead of 0.
    inside, step = gain, 1e-6
    for _ in range(60):
        outside = min(gain + direction * step, 1.0)  # No model saves more than the whole loss.
        if excess(outside, probability) * -direction >= 0:
            return float(optimize.brentq(excess, *sorted((inside, outside)), args=(probability,), xtol=1e-13))
        inside, step = outside, step * 2
        if outside == 1 or outside < -1e6:
            break
    return None
