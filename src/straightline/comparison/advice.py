"""What to do with a finding, in one sentence."""

import math
from collections.abc import Mapping
from typing import Any

from scipy import stats

from straightline.formatting import percent

ENOUGH_REPEATS = 10  # of the folds; the variance that more could take away is a tenth of what stays


def advice(result: Mapping[str, Any], name: str, margin: float, confidence: float, rows: int) -> str:
    """Return one sentence that a user can act on."""
    allowed = f"{100 * margin:.3g} %"
    gain = percent(abs(result["relative_gain"]))
    if result["failed"]:
        return f"{name} failed to train (it does worse than the mean): try a smaller learning rate or more epochs."
    match result["finding"]:
        case "neural_better":
            return f"Use {name}: it lowers the loss by {gain}, more than your margin of {allowed}."
        case "regression_better":
            return f"Use the regression: {name}'s loss is higher by more than your margin of {allowed}."
        case "practically_equivalent":
            return f"Use the regression: the losses differ by less than your margin of {allowed} either way."
        case "regression_enough":
            return f"Use the regression: {name} does not lower the loss by your margin of {allowed}."
    test = result["test"]
    if repeats_would_do(test, confidence):
        return (
            f"These {rows:,} rows cannot tell with so few folds: set folds.repeats to {ENOUGH_REPEATS}, which would if "
            "the losses stay as they are."
        )
    needed = rows_needed(test, confidence, rows)
    if needed is None:
        return (
            f"These {rows:,} rows cannot tell, nor would more folds: the gain is your margin of {allowed}; set another "
            "margin."
        )
    return (
        f"These {rows:,} rows cannot tell, nor would more folds: about {needed:,} rows like them would, or set another "
        f"margin than {allowed} if a smaller or larger difference matters to you."
    )


def repeats_would_do(test: Mapping[str, float], confidence: float) -> bool:
    """Return whether ENOUGH_REPEATS of the folds would decide, if mean and spread of the differences stay the same."""
    folds, count = int(test["folds"]), int(test["degrees_of_freedom"]) + 1
    many = ENOUGH_REPEATS * folds
    if count >= many or not test["repeatable"]:
        return False
    std_error = test["std_error"] * math.sqrt((1 / many + 1 / (folds - 1)) / (1 / count + 1 / (folds - 1)))
    return bool(abs(test["mean"]) >= stats.t.ppf(confidence, many - 1) * std_error)


def rows_needed(test: Mapping[str, float], confidence: float, rows: int) -> int | None:
    """Return about n (t SE / |m|)^2, to two digits, t being the quantile of the test; None where the mean is zero."""
    if test["mean"] == 0:
        return None
    quantile = float(stats.t.ppf(confidence, test["degrees_of_freedom"]))
    needed = max(rows * (quantile * test["std_error"] / abs(test["mean"])) ** 2, rows + 1.0)
    if needed > 1e15:
        return None
    scale = int(10 ** max(math.floor(math.log10(needed)) - 1, 0))
    return math.ceil(needed / scale) * scale
