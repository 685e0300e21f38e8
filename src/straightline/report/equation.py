"""A regression as an equation in the columns' own units."""

import pandas as pd

from straightline.formatting import number


def equation(coefficients: pd.DataFrame, left: str) -> str | None:
    """Return `price = 1.5 + 2 × rooms − 0.3 × age` with the left side `left`; levels of words are terms of 0 or 1.

    None where an estimate is blank, so that no equation holds.
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
