"""What a user should know of a regression's optimum, in sentences."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from straightline.regression.estimation import Standardized
from straightline.regression.separation import RANK_TOLERANCE, Separation

COLLINEAR = 1e5  # condition number of columns that are close to it


def column_messages(
    standardized: Standardized, identified: NDArray, separation: Separation | None, names: Sequence[str]
) -> list[str]:
    constant = ~standardized.kept[1:]
    told = [
        f"{name} is constant and carries no information" for name, flat in zip(names, constant, strict=True) if flat
    ]
    if separation is not None:
        told.append(_separation_told(separation, names))
    elif standardized.rows > standardized.kept.sum() and (loose := np.array(names)[~identified[1:] & ~constant]).size:
        told.append(f"{', '.join(loose)} are collinear: their single weights are not identified")
    return told


def inference_messages(
    standardized: Standardized, covariance: NDArray | None, condition: float, separation: Separation | None
) -> list[str]:
    kept = standardized.kept.sum()
    if standardized.rows <= kept:
        return [f"{standardized.rows} rows for {kept} coefficients: standard errors do not exist"]
    if covariance is None:
        return ["a row is all that decides some coefficient: robust standard errors do not exist"]
    if separation is None and COLLINEAR < condition < 1 / RANK_TOLERANCE:
        digits = int(-np.log10(np.finfo(float).eps * condition))
        return [
            f"columns are close to collinear (condition number {condition:.1e}): about {digits} digits of the "
            "coefficients can be trusted"
        ]
    return []


def undetermined_messages(separation: Separation, estimates: NDArray, names: Sequence[str]) -> list[str]:
    blank = np.isnan(estimates[1:]) & ~separation.columns
    if separation.complete or not blank.any():
        return []
    told = ", ".join(np.array(names)[blank])
    return [f"the rows that are not separated do not determine {told}: infinite too, constant or collinear there"]


def _separation_told(separation: Separation, names: Sequence[str]) -> str:
    by = ", ".join(np.array(names)[separation.columns])
    if separation.complete:
        return f"the classes are separated by {by}: no finite coefficients exist, Firth's estimate is used"
    return (
        f"the classes of some rows are separated by {by}, whose coefficients are infinite: those that are finite are "
        "given, Firth's estimate is used to predict"
    )
