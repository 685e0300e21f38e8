"""Derive findings from fold losses: is a challenger better than the baseline by more than the margin?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from straightline.comparison.advice import advice, advice_on_columns, advice_on_learning, failure_advice
from straightline.comparison.significance import Comparison, FoldLosses
from straightline.comparison.verdict import Answer, Challenger, Finding, Probabilities, Skill, TestSummary


@dataclass(frozen=True)
class Decision:
    """The answer from all challengers. `challenger` is the best of those with findings that agree with the answer.

    `skills` compare each model with the prediction that uses no column.
    """

    answer: Answer
    challenger: str
    challengers: Mapping[str, Challenger]
    skills: Mapping[str, Skill]
    advice: str

    @property
    def best(self) -> Challenger:
        """The result of `challenger`."""
        return self.challengers[self.challenger]


def finding(
    challenger_better: float, baseline_better: float, level: float, level_challenger: float | None = None
) -> Finding:
    """Return the first finding with a probability of at least `level`.

    `level_challenger`, if not None, is the level for `challenger_better`: it is higher if there are more challengers.
    """
    if challenger_better >= (level if level_challenger is None else level_challenger):
        return Finding.challenger_better
    if baseline_better >= level:
        return Finding.baseline_better
    if 1 - challenger_better >= level:
        return Finding.practically_equivalent if 1 - baseline_better >= level else Finding.baseline_enough
    return Finding.undecided


def compare(
    comparison: Comparison, margin: float, confidence: float, chances: int = 1, mean_loss: float = float("inf")
) -> Challenger:
    """Return the comparison of a challenger with the baseline.

    The error rate 1 - `confidence` is divided by the number of `chances` to be called better: challengers times looks
    at samples of growing size. The interval of the gain is obtained by
    inverting the test: its lower end is at least `margin` if and only if the challenger is better. `mean_loss` is the
    loss of the prediction that uses no column.
    """
    level = 1 - (1 - confidence) / chances
    tests = [comparison.test(values) for values in comparison.differences(margin)]
    probabilities = Probabilities(*(test.probability_positive() for test in tests))
    loss = float(comparison.challenger.mean())
    failed = loss > mean_loss
    fold_finding = finding(probabilities.challenger_better, probabilities.baseline_better, confidence, level)
    return Challenger(
        finding=Finding.undecided if failed else fold_finding,
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


def skill(comparison: Comparison, margin: float, confidence: float) -> Skill:
    """Return the skill of a model. The baseline of `comparison` is the prediction that uses no column."""
    found = compare(comparison, margin, confidence)
    return Skill(
        finding=found.finding,
        gain=found.relative_gain,
        gain_interval=found.relative_gain_interval,
        probability=found.probabilities.challenger_better,
        test=found.test,
    )


def decide(losses: FoldLosses, margin: float, confidence: float, rows: int) -> Decision:
    """Return the answer and the advice from the `losses` of all models. `rows` counts training rows.

    The answer is `neither` if no model predicts (`Skill.predicts`), each at the level `confidence`. Models do not share
    an error rate there, since without any signal none of them is expected to be better. Otherwise the answer is `no` if
    any challenger is better than the baseline at the level 1 - (1 - confidence) / challengers. It is `yes` if, at the
    level `confidence`, each challenger is shown not to be better by the margin. Challengers that failed to train count
    only if all did. A challenger that still learns from more rows is not shown to be no better.
    """
    comparisons, mean_loss = losses.comparisons(), float(losses.without_columns.mean())
    challengers = {
        name: compare(comparison, margin, confidence, len(comparisons) * losses.looks, mean_loss)
        for name, comparison in comparisons.items()
    }
    still_learning = [name for name in losses.learning if challengers[name].finding.answer == "yes"]
    challengers |= {name: replace(challengers[name], finding=Finding.undecided) for name in still_learning}
    skills = {
        name: skill(comparison, margin, confidence) for name, comparison in losses.comparisons_without_columns().items()
    }
    trained = {name: challenger for name, challenger in challengers.items() if not challenger.failed} or challengers
    answers = {challenger.finding.answer for challenger in trained.values()}
    answer: Answer = "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"
    agreeing = [name for name, challenger in trained.items() if challenger.finding.answer == answer]
    best = min(agreeing, key=lambda name: challengers[name].loss)
    if any(found.predicts for found in skills.values()):
        failed = [name for name in challengers if name not in trained]
        advised = advice(challengers[best], best, margin, confidence, rows, len(challengers) * losses.looks)
        advised = advice_on_learning(still_learning, margin) if best in still_learning else advised
    else:
        # A loss just above that of the mean is no failure here, where nothing may be there to learn.
        failed = [name for name in challengers if skills[name].finding is Finding.baseline_better]
        answer, advised = "neither", advice_on_columns(skills, margin, confidence, rows)
    advised += f" {failure_advice(failed)}" if failed else ""
    return Decision(answer, best, challengers, skills, advised)
