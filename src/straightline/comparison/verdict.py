"""From fold losses to an answer: is the straight line enough?

The corrected repeated k-fold cross-validation test: Nadeau and Bengio, Inference for the Generalization Error, Machine
Learning 52 (2003), section 3; Bouckaert and Frank, Evaluating the Replicability of Significance Tests for Comparing
Learning Algorithms, PAKDD 2004, eq. 1.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from straightline.comparison.advice import advice

ANSWERS = {
    "neural_better": "no",
    "regression_better": "yes",
    "practically_equivalent": "yes",
    "regression_enough": "yes",
    "undecided": "undecided",
}


@dataclass(frozen=True)
class Comparison:
    """Mean losses of regression and network on the same J = k R folds, each `(J,)`, and how they were divided.

    `ratio` are the test rows to a training row, on the mean over the folds; None for the 1/(k-1) of k equal folds,
    which can be repeated. For folds of growing training sets (`folds.Split`) the correction stays a rule of thumb.
    """

    regression: NDArray
    neural: NDArray
    folds: int
    ratio: float | None = None

    def test(self, differences: NDArray) -> "Test":
        """Return the test of `differences` of its losses."""
        return corrected_t_test(differences, test_ratio(self.folds, self.ratio))


@dataclass(frozen=True)
class Test:
    """The corrected t test of fold differences: their mean, its standard error, and the degrees of freedom."""

    mean: float
    std_error: float
    degrees_of_freedom: int

    def probability_positive(self) -> float:
        """Return P(D > 0) of section 8: by the sign of the mean where the differences do not vary."""
        if self.std_error == 0:
            return 0.5 + 0.5 * float(np.sign(self.mean))
        return float(stats.t.cdf(self.mean / self.std_error, self.degrees_of_freedom))


def corrected_t_test(differences: NDArray, ratio: float) -> Test:
    """Return the test of `(J,)` fold differences, SE = s sqrt(1/J + n2/n1).

    `ratio` is n2/n1, test rows to a training row: 1/(k-1) for k folds.
    """
    count = len(differences)
    spread = float(np.std(differences, ddof=1))
    # Rounding leaves a spread of some last bits between equal differences.
    if spread <= 1e-14 * float(np.abs(differences).max(initial=0.0)):
        spread = 0.0
    return Test(float(np.mean(differences)), spread * math.sqrt(1 / count + ratio), count - 1)


def test_ratio(folds: int, ratio: float | None) -> float:
    """Return n2/n1, test rows to a training row: `ratio`, or that of equal folds."""
    return 1 / (folds - 1) if ratio is None else ratio


def loss_interval(losses: NDArray, ratio: float, confidence: float) -> tuple[float, float]:
    """Return bounds of the mean of fold losses `(J,)`, each at `confidence`, by the same variance as the test's."""
    test = corrected_t_test(losses, ratio)
    reach = float(stats.t.ppf(confidence, test.degrees_of_freedom)) * test.std_error
    return test.mean - reach, test.mean + reach


def differences(comparison: Comparison, margin: float) -> tuple[NDArray, NDArray]:
    """Return D1 = (1-margin) L_reg - L_nn and D2 = (1-margin) L_nn - L_reg."""
    regression, neural = comparison.regression, comparison.neural
    return (1 - margin) * regression - neural, (1 - margin) * neural - regression


def finding(probability_1: float, probability_2: float, level: float, level_neural: float | None = None) -> str:
    """Return the first of section 8's rules that holds; `level_neural` is rule 1's own where challengers are many."""
    if probability_1 >= (level if level_neural is None else level_neural):
        return "neural_better"
    if probability_2 >= level:
        return "regression_better"
    if 1 - probability_1 >= level and 1 - probability_2 >= level:
        return "practically_equivalent"
    if 1 - probability_1 >= level:
        return "regression_enough"
    return "undecided"


def compare(comparison: Comparison, margin: float, confidence: float, challengers: int = 1) -> dict[str, Any]:
    """Return finding, probabilities, relative gain of the network and its interval at `confidence` on either side.

    The interval inverts the test of D1 over the margin, so that its lower end is at least `margin` exactly when
    `neural_better` holds; an end that no margin below 1 reaches is null. `challengers` divides rule 1's error rate.
    """
    level_neural = 1 - (1 - confidence) / challengers
    tests = [comparison.test(values) for values in differences(comparison, margin)]
    probability_1, probability_2 = (test.probability_positive() for test in tests)
    regression, neural = float(comparison.regression.mean()), float(comparison.neural.mean())
    return {
        "finding": finding(probability_1, probability_2, confidence, level_neural),
        "loss": neural,
        "relative_gain": 1 - neural / regression if regression > 0 else 0.0,
        "relative_gain_interval": gain_interval(comparison, level_neural),
        "probabilities": {"neural_better": probability_1, "regression_better": probability_2},
        "test": {
            "mean": tests[0].mean,
            "std_error": tests[0].std_error,
            "degrees_of_freedom": tests[0].degrees_of_freedom,
            "folds": comparison.folds,
            "repeatable": comparison.ratio is None,
        },
    }


def gain_interval(comparison: Comparison, level: float) -> list[float | None]:
    """Return the margins at which P(D1 > 0) is `level` and 1 - `level`: the bounds of the network's relative gain."""

    def excess(margin: float, probability: float) -> float:
        first, _ = differences(comparison, margin)
        return comparison.test(first).probability_positive() - probability

    regression, neural = float(comparison.regression.mean()), float(comparison.neural.mean())
    if regression <= 0:
        return [None, None]
    gain = 1 - neural / regression
    return [_crossing(excess, gain, -1.0, level), _crossing(excess, gain, 1.0, 1 - level)]


def _crossing(
    excess: Callable[[float, float], float], gain: float, direction: float, probability: float
) -> float | None:
    """Search outwards from the mean gain, where the probability is one half, for where it crosses `probability`."""
    if excess(gain, probability) * -direction >= 0:
        return gain  # losses that do not vary, whose mean difference is not 0 but its rounding
    inside, step = gain, 1e-6
    for _ in range(60):
        outside = gain + direction * step
        if excess(outside, probability) * -direction >= 0:
            return float(optimize.brentq(excess, *sorted((inside, outside)), args=(probability,), xtol=1e-13))
        inside, step = outside, step * 2
        if outside > 1 or outside < -1e6:
            break
    return None


def decide(
    losses: Mapping[str, Comparison],
    baseline_loss: float,
    margin: float,
    confidence: float,
    rows: int,
) -> dict[str, Any]:
    """Return answer, finding and advice for the challengers `losses` (by name, each against the regression).

    `no` if any challenger passes rule 1 at alpha/c; `yes` only if each is excluded at alpha. `baseline_loss` is that
    of predicting the mean: a challenger that does worse failed to train and is no evidence.
    """
    results = {
        name: compare(comparison, margin, confidence, len(losses))
        | {"failed": bool(comparison.neural.mean() > baseline_loss)}
        for name, comparison in losses.items()
    }
    for result in results.values():
        if result["failed"]:
            result["finding"] = "undecided"
    findings = {result["finding"] for result in results.values()}
    answer = "no" if "neural_better" in findings else "undecided" if "undecided" in findings else "yes"
    agreeing = [name for name, result in results.items() if ANSWERS[result["finding"]] == answer]
    best = min(agreeing, key=lambda name: results[name]["loss"])
    chosen = results[best]
    return {
        "answer": answer,
        "challenger": best,
        **{key: chosen[key] for key in ("finding", "relative_gain", "relative_gain_interval", "probabilities")},
        "challengers": results,
        "advice": advice(chosen, best, margin, confidence, rows),
    }
