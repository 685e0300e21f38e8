"""A regression as an equation in the units of the columns."""

from collections.abc import Sequence

import pandas as pd

from straightline.formatting import number


def equations(coefficients: pd.DataFrame, lefts: Sequence[str]) -> list[str]:
    """Return the `equation` of each linear predictor, with one of `lefts` as left side, but those with blank estimates.

    With several classes, the column `class` of `coefficients` says which of the predictors a row belongs to.
    """
    by_class = "class" in coefficients
    groups = [group for _, group in coefficients.groupby("class", sort=False)] if by_class else [coefficients]
    found = [equation(group, left) for group, left in zip(groups, lefts, strict=True)]
    return [text for text in found if text is not None]


def equation(coefficients: pd.DataFrame, left: str) -> str | None:
    """Return an equation such as `price = 1.5 + 2 × rooms − 0.3 × age`, with `left` as its left side.

    The term of a level of a categorical column is 0 or 1. Return None if an estimate is blank.
    """
    if coefficients["estimate"].isna().any():
        return None
    parts = []
    for term, value in zip(coefficients["term"], coefficients["estimate"], strict=True):
        sign = "−" if value < 0 else "+"
        size = number(abs(float(value)))
        parts.append(f"{sign} {size}" if term == "Intercept" else f"{sign} {size} × {term}")
    right = " ".join(parts).removeprefix("+ ")
    return f"{left} = {right}"
