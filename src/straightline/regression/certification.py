"""Measure how close gradient descent came to the exact optimum of a regression, and collect messages of its folds."""

import operator
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.data.passes import Pass, one_pass
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.regression.certificate import CONVERGED, Certificate
from straightline.regression.coefficients import agreeing_digits
from straightline.regression.optimum import Optimum

SHOWN = 5  # The largest number of fold messages. There may be many, since each may name other columns.


def fold_messages(fitted: Sequence[Optimum], known: Sequence[str]) -> list[str]:
    """Return the messages of the folds `fitted` that are not in `known`, the commonest first, at most SHOWN."""
    counts = Counter(message for optimum in fitted for message in optimum.messages if message not in known)
    lines = [f"in {count} of {len(fitted)} folds {message}" for message, count in counts.most_common(SHOWN)]
    return [*lines, f"{len(counts) - SHOWN} more messages about some of the folds"] if len(counts) > SHOWN else lines


def certify(table: TrainingTable, best: Optimum, folds: Sequence[str], trained: NDArray) -> Certificate:
    """Return the certificate of the descent's coefficients `trained`, compared with the optimum `best`.

    `folds` are the results of `fold_messages`.
    """

    def total(rows: Rows) -> float:
        predictor = rows.shifted(trained[0] + rows.features @ trained[1:])
        return float(rows.weighted(table.family.predictor_losses(predictor, rows.labels)).sum())

    rows = np.arange(len(table.labels), dtype=np.int32)
    (total_loss,) = one_pass(table.source, [rows], [Pass(total, operator.add)])
    descent_loss = total_loss / table.total(rows)
    gap = descent_loss - best.loss
    condition, identified = best.condition_number, best.identified
    return Certificate(
        loss=table.family.loss,
        method=best.method,
        rows=len(rows),
        descent_loss=descent_loss,
        exact_loss=best.loss,
        gap=gap,
        tolerance=CONVERGED,
        converged=bool(gap <= CONVERGED * best.loss),
        digits=agreeing_digits(trained[identified], best.coefficients[identified]) if identified.any() else None,
        condition_number=condition if np.isfinite(condition) else None,
        standard_errors=best.errors,
        dispersion=best.dispersion if table.family.has_offset else None,
        messages=best.messages,
        fold_messages=list(folds),
    )
