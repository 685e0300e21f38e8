"""A regression as an equation in the units of the columns."""

import pandas as pd

from straightline.formatting import number


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
