"""Messages for the user about the optimum of a regression."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.formatting import listed
from straightline.regression.estimation import Standardized
from straightline.regression.separation import RANK_TOLERANCE, Separation

COLLINEAR = 1e5  # Columns with a larger condition number are close to collinear.


def column_messages(
    standardized: Standardized, identified: NDArray, separation: Separation | None, names: Sequence[str]
) -> list[str]:
    """Return messages about constant columns, and about separated classes or collinear columns."""
    constant = ~standardized.kept[1:]
    unused = [name for name, is_constant in zip(names, constant, strict=True) if is_constant]
    carries = "is constant and carries" if len(unused) == 1 else "are constant and carry"
    messages = [f"{listed(unused)} {carries} no information"] if unused else []
    if separation is not None:
        messages.append(_separation_message(separation, names))
    elif standardized.rows > standardized.kept.sum() and (loose := np.array(names)[~identified[1:] & ~constant]).size:
        messages.append(f"{listed(loose)} are collinear: their individual coefficients are not identified")
    return messages


def inference_messages(
    standardized: Standardized, covariance: NDArray | None, condition: float, separation: Separation | None
) -> list[str]:
    """Return messages about standard errors that do not exist, or about the number of correct digits."""
    coefficients = standardized.kept.sum()
    if standardized.rows <= coefficients:
        return [f"{standardized.rows} rows for {coefficients} coefficients: standard errors do not exist"]
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
    undetermined = np.isnan(estimates[1:]) & ~separation.columns
    if separation.complete or not undetermined.any():
        return []
    columns = listed(np.array(names)[undetermined])
    return [
        f"the rows that are not separated do not determine the coefficients of {columns}: there they are infinite too, "
        "or the columns are constant or collinear"
    ]


def _separation_message(separation: Separation, names: Sequence[str]) -> str:
    columns = listed(np.array(names)[separation.columns])
    if separation.complete:
        return f"the classes are separated by {columns}: no finite coefficients exist, Firth's estimate is used"
    return (
        f"the classes of some rows are separated by {columns}, whose coefficients are infinite: only the finite "
        "coefficients are shown, and Firth's estimate is used to predict"
    )
