"""Advice on what to do with a finding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy import stats

from straightline.formatting import percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from straightline.comparison.verdict import Challenger, Reference, Skill, TestSummary

ENOUGH_REPEATS = 10  # More repeats of the folds could remove only a tenth of the remaining variance.


def advice(challenger: Challenger, name: str, margin: float, confidence: float, rows: int, chances: int = 1) -> str:
    """Return advice that a user can act on, for the challenger called `name`.

    `rows` is the number of training rows, and `chances` the number of chances to be called better (`findings.compare`).
    """
    allowed = f"{100 * margin:.3g} %"
    gain = percent(abs(challenger.relative_gain))
    if challenger.failed:
        return failure_advice([name])
    match challenger.finding.value:
        case "challenger_better":
            return f"Use {name}: it lowers the loss by {gain}, more than your margin of {allowed}."
        case "baseline_better":
            return f"Use the regression: {name}'s loss is higher by more than your margin of {allowed}."
        case "practically_equivalent":
            return f"Use the regression: the losses differ by less than your margin of {allowed} either way."
        case "baseline_enough":
            return f"Use the regression: {name} does not lower the loss by your margin of {allowed}."
    # To show that the challenger is better takes more, if there are several chances.
    level = 1 - (1 - confidence) / chances if challenger.test.mean > 0 else confidence
    return _advice_on_rows(challenger.test, allowed, level, rows)


def failure_advice(names: Sequence[str]) -> str:
    """Return advice on challengers that failed to train."""
    they = "it does" if len(names) == 1 else "they do"
    return (
        f"{', '.join(names)} failed to train ({they} worse than predicting without columns): try a smaller learning "
        "rate or more epochs."
    )


def advice_on_learning(names: Sequence[str], margin: float) -> str:
    """Return advice on challengers that would be no better, but still learn from more rows than they had."""
    they = "it still learns" if len(names) == 1 else "they still learn"
    return (
        f"{', '.join(names)} learned from a sample of the rows, and {they} from more: set fit.growth.clear_gain to "
        f"your margin, {margin:.3g}, and a smaller fit.growth.flat, so that larger samples are taken."
    )


def advice_on_columns(skills: Mapping[str, Skill], margin: float, confidence: float, rows: int) -> str:
    """Return advice for a target that no model predicts. `skills` are by model, `rows` is the number of training rows.

    Few rows cannot tell a weak signal from none, and then the advice says so.
    """
    allowed = f"{100 * margin:.3g} %"
    name = max(skills, key=lambda model: skills[model].gain)
    best = skills[name]
    if all(skill.finding.value != "undecided" for skill in skills.values()):
        low = best.gain_interval[0]
        if low is not None and low > 0:
            return (
                f"{name} saves {percent(best.gain)}, which is less than your margin of {allowed}: set a smaller margin "
                "if it matters to you, or find columns that say more."
            )
        return "These columns say nothing that these models can use: find other columns."
    needed = rows_needed(best.test, confidence, rows) if best.gain > margin else None
    if needed is None:
        return f"These {rows:,} rows cannot tell a weak signal from none: find other columns, or more rows."
    return (
        f"These {rows:,} rows cannot tell a weak signal from none: about {needed:,} rows like them would show a gain "
        f"of {percent(best.gain)}."
    )


def trees_advice(reference: Reference | None, losses: Mapping[str, NDArray], found_none: bool) -> str:
    """Return a sentence, after a blank, if a reference model is better than all others, or nothing.

    `losses` are the losses of the other models in the same folds. `found_none` says that none of them predicts the
    target.
    """
    if reference is None or not reference.better_than_all:
        return ""
    best = min(float(model_losses.mean()) for model_losses in losses.values())
    saved = f"{reference.model} would save {percent(1 - reference.loss / best)} of the loss of the best model here"
    if found_none:
        return f" For orientation: {saved}, so the columns do say something about it."
    return f" For orientation: {saved}."


def _advice_on_rows(test: TestSummary, allowed: str, confidence: float, rows: int) -> str:
    if all_folds_would_decide(test, confidence):
        return (
            f"With {test.degrees_of_freedom + 1} of {test.folds} folds, these {rows:,} rows are not enough to decide: "
            f"set folds.large to {test.folds}, which is enough if the losses stay as they are."
        )
    if repeats_would_decide(test, confidence):
        return (
            f"With so few folds, these {rows:,} rows are not enough to decide: set folds.repeats to {ENOUGH_REPEATS}, "
            "which is enough if the losses stay as they are."
        )
    needed = rows_needed(test, confidence, rows)
    if needed is None:
        return (
            f"These {rows:,} rows are not enough to decide, and more folds would not help, since the gain equals your "
            f"margin of {allowed}: set another margin."
        )
    return (
        f"These {rows:,} rows are not enough to decide, and more folds would not help: about {needed:,} rows like them "
        f"are needed. If a smaller or larger difference matters to you, set another margin than {allowed}."
    )


def repeats_would_decide(test: TestSummary, confidence: float) -> bool:
    """Return whether ENOUGH_REPEATS repeats of the folds would decide.

    The mean and the spread of the differences are assumed to stay the same.
    """
    return test.repeatable and _would_decide(test, confidence, ENOUGH_REPEATS * test.folds)


def all_folds_would_decide(test: TestSummary, confidence: float) -> bool:
    """Return whether models in all folds would decide, if there are models in some of the folds of a large table.

    The mean and the spread of the differences are assumed to stay the same.
    """
    return _would_decide(test, confidence, test.folds)


def _would_decide(test: TestSummary, confidence: float, many: int) -> bool:
    count = test.degrees_of_freedom + 1
    if count >= many:
        return False
    ratio = 1 / (test.folds - 1)
    std_error = test.std_error * math.sqrt((1 / many + ratio) / (1 / count + ratio))
    return bool(abs(test.mean) >= stats.t.ppf(confidence, many - 1) * std_error)


def rows_needed(test: TestSummary, confidence: float, rows: int) -> int | None:
    """Return the number of rows that would decide, about n (t SE / |m|)^2, rounded up to two digits.

    n is the number of rows, t the quantile of the test, SE the standard error and m the mean difference. The result is
    more than n. It is None if the mean is zero or the number would exceed 1e15.
    """
    if test.mean == 0:
        return None
    quantile = float(stats.t.ppf(confidence, test.degrees_of_freedom))
    needed = max(rows * (quantile * test.std_error / abs(test.mean)) ** 2, rows + 1.0)
    if needed > 1e15:
        return None
    scale = int(10 ** max(math.floor(math.log10(needed)) - 1, 0))
    return math.ceil(needed / scale) * scale
