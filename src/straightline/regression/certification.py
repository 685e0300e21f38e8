"""How far gradient descent came to a regression's exact optimum, and what its folds tell."""

import operator
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.data.rows import Rows
from straightline.data.source import Pass, one_pass
from straightline.data.training_table import TrainingTable
from straightline.regression import exact
from straightline.regression.certificate import CONVERGED, Certificate
from straightline.regression.coefficients import agreeing_digits

TOLD = 5  # messages of folds at most, since each may name other columns


def fold_messages(fitted: Sequence[exact.Optimum], known: Sequence[str]) -> list[str]:
    """Return what is told of some of the folds `fitted` and is none of `known`, the commonest first."""
    told = Counter(message for one in fitted for message in one.messages if message not in known)
    lines = [f"in {count} of {len(fitted)} folds {message}" for message, count in told.most_common(TOLD)]
    return [*lines, f"{len(told) - TOLD} more such messages of single folds"] if len(told) > TOLD else lines


def certify(table: TrainingTable, best: exact.Optimum, folds: Sequence[str], trained: NDArray) -> Certificate:
    """Return how far the descent's coefficients `trained` are from the optimum `best`; `folds` are `fold_messages`."""

    def total(rows: Rows) -> float:
        predictor = trained[0] + rows.features @ trained[1:]
        return len(rows) * float(table.family.predictor_losses(predictor, rows.labels).mean())

    rows = len(table.labels)
    (loss,) = one_pass(table.source, [np.arange(rows, dtype=np.int32)], [Pass(total, operator.add)])
    reached = loss / rows
    gap = reached - best.loss
    condition, known = best.condition_number, best.identified
    return Certificate(
        loss=table.family.loss,
        method=best.method,
        rows=rows,
        descent_loss=reached,
        exact_loss=best.loss,
        gap=gap,
        tolerance=CONVERGED,
        converged=bool(gap <= CONVERGED * best.loss),
        digits=agreeing_digits(trained[known], best.coefficients[known]) if known.any() else None,
        condition_number=condition if np.isfinite(condition) else None,
        standard_errors=best.errors,
        messages=best.messages,
        fold_messages=list(folds),
    )
