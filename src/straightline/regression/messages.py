"""Messages for the user about the optimum of a regression."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.formatting import listed
from straightline.regression.separation import RANK_TOLERANCE, Separation
from straightline.regression.standardized import Standardized

COLLINEAR = 1e5  # Columns with a larger condition number are close to collinear.


def column_messages(
    standardized: Standardized,
    identified: NDArray,
    separation: Separation | None,
    names: Sequence[str],
    classes: Sequence[Any] | None,
) -> list[str]:
    """Return messages about constant columns, and about separated labels or collinear columns.

    `identified` says which of all weights the rows determine, and `classes` are the names of the labels, if they have
    names.
    """
    constant = ~standardized.kept[1:]
    unused = [name for name, is_constant in zip(names, constant, strict=True) if is_constant]
    carries = "is constant and carries" if len(unused) == 1 else "are constant and carry"
    messages = [f"{listed(unused)} {carries} no information"] if unused else []
    by_output = identified.reshape(standardized.outputs, -1)
    is_loose = ~by_output[:, 1:].all(axis=0) & ~constant
    if separation is not None:
        messages.append(_separation_message(separation, names, classes))
    elif standardized.rows > standardized.kept.sum() and (loose := np.array(names)[is_loose]).size:
        messages.append(f"{listed(loose)} are collinear: their individual coefficients are not identified")
    return messages


def inference_messages(
    standardized: Standardized, covariance: NDArray | None, condition: float, separation: Separation | None
) -> list[str]:
    """Return messages about standard errors that do not exist, or about the number of correct digits."""
    coefficients = standardized.kept.sum()
    if standardized.rows <= coefficients:
        return [f"{standardized.rows:g} rows for {coefficients} coefficients: standard errors do not exist"]
    if covariance is None:
        return ["some coefficient depends on a single row: robust standard errors do not exist"]
    if separation is None and COLLINEAR < condition < 1 / RANK_TOLERANCE:
        digits = int(-np.log10(np.finfo(float).eps * condition))
        return [
            f"columns are close to collinear (condition number {condition:.1e}): about {digits} digits of the "
            "coefficients can be trusted"
        ]
    return []


def undetermined_messages(separation: Separation, estimates: NDArray, names: Sequence[str]) -> list[str]:
    """Return a message about columns that do not separate the classes but still have no finite estimate."""
    missing = np.isnan(estimates[1:]).reshape(len(names), -1).any(axis=1)
    undetermined = missing & ~separation.columns(len(names))
    if separation.complete or not undetermined.any():
        return []
    columns = listed(np.array(names)[undetermined])
    return [
        f"the rows that are not separated do not determine the coefficients of {columns}: there they are infinite too, "
        "or the columns are constant or collinear"
    ]


def _separation_message(separation: Separation, names: Sequence[str], classes: Sequence[Any] | None) -> str:
    columns = listed(np.array(names)[separation.columns(len(names))])
    if not columns:
        return "all rows have the same label: no finite coefficients exist, Firth's estimate is used"
    if separation.is_of_counts:
        return (
            f"the count is 0 in all rows with certain values of {columns}: their coefficients are infinite, only the "
            "finite ones are shown, and Firth's estimate is used to predict"
        )
    if separation.complete:
        return f"the classes are separated by {columns}: no finite coefficients exist, Firth's estimate is used"
    pairs = [f"{classes[first]} from {classes[second]}" for first, second in separation.pairs] if classes else []
    which = f" ({listed(pairs)})" if pairs else ""
    return (
        f"the classes of some rows are separated by {columns}{which}, whose coefficients are infinite: only the finite "
        f"coefficients are shown{_other_reference(separation, classes)}, and Firth's estimate is used to predict"
    )


def _other_reference(separation: Separation, classes: Sequence[Any] | None) -> str:
    """Return advice to choose another reference class if all others are separated from this one."""
    if not classes or len([pair for pair in separation.pairs if 0 in pair]) < len(classes) - 1:
        return ""
    counts = [sum(number in pair for pair in separation.pairs) for number in range(len(classes))]
    least = counts.index(min(counts))
    return f" (with --reference {str(classes[least])!r} there are some)" if counts[least] < counts[0] else ""
