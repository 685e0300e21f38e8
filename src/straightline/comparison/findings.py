"""From fold losses to findings: is the challenger better than the baseline, by more than the margin?"""

from collections.abc import Mapping
from dataclasses import dataclass

from straightline.comparison.advice import advice
from straightline.comparison.t_test import Comparison
from straightline.comparison.verdict import Answer, Challenger, Finding, Probabilities, TestSummary


@dataclass(frozen=True)
class Decision:
    """The answer by all challengers, and `challenger`, the best of those whose findings lead to it."""

    answer: Answer
    challenger: str
    challengers: Mapping[str, Challenger]
    advice: str

    @property
    def best(self) -> Challenger:
        """What the folds say of `challenger`."""
        return self.challengers[self.challenger]


def finding(
    challenger_better: float, baseline_better: float, level: float, level_challenger: float | None = None
) -> Finding:
    """Return the first finding whose probability reaches `level`.

    `level_challenger` is the level that `challenger_better` must reach where challengers are many.
    """
    if challenger_better >= (level if level_challenger is None else level_challenger):
        return Finding.challenger_better
    if baseline_better >= level:
        return Finding.baseline_better
    if 1 - challenger_better >= level:
        return Finding.practically_equivalent if 1 - baseline_better >= level else Finding.baseline_enough
    return Finding.undecided


def compare(
    comparison: Comparison, margin: float, confidence: float, challengers: int = 1, mean_loss: float = float("inf")
) -> Challenger:
    """Return what the folds say of a challenger, one of as many `challengers`, which divide the error rate.

    The interval of the gain inverts the test over the margin, so that its lower end is at least `margin` exactly where
    the challenger is better. `mean_loss` is the loss of the prediction that knows no column.
    """
    level = 1 - (1 - confidence) / challengers
    tests = [comparison.test(values) for values in comparison.differences(margin)]
    probabilities = Probabilities(*(test.probability_positive() for test in tests))
    loss = float(comparison.challenger.mean())
    failed = loss > mean_loss
    found = finding(probabilities.challenger_better, probabilities.baseline_better, confidence, level)
    return Challenger(
        finding=Finding.undecided if failed else found,
        loss=loss,
        relative_gain=comparison.gain,
        relative_gain_interval=comparison.gain_interval(level),
        probabilities=probabilities,
        test=TestSummary(
            mean=tests[0].mean,
            std_error=tests[0].std_error,
            degrees_of_freedom=tests[0].degrees_of_freedom,
            folds=comparison.folds,
            repeatable=comparison.ratio is None,
        ),
        failed=failed,
    )


def decide(
    comparisons: Mapping[str, Comparison], mean_loss: float, margin: float, confidence: float, rows: int
) -> Decision:
    """Return answer and advice for the challengers of `comparisons`, by name, on `rows` training rows.

    The answer is `no` if any challenger is better at 1 - (1 - confidence) / challengers, and `yes` only if each is
    excluded at `confidence`.
    """
    challengers = {
        name: compare(comparison, margin, confidence, len(comparisons), mean_loss)
        for name, comparison in comparisons.items()
    }
    answers = {challenger.finding.answer for challenger in challengers.values()}
    answer: Answer = "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"
    agreeing = [name for name, challenger in challengers.items() if challenger.finding.answer == answer]
    best = min(agreeing, key=lambda name: challengers[name].loss)
    return Decision(answer, best, challengers, advice(challengers[best], best, margin, confidence, rows))
