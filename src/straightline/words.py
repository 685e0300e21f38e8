"""Numbers as a reader sees them."""

import math


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, more just below 100, and a word where there is no bound."""
    if value is None:
        return "unbounded"
    missing = 1 - abs(value)
    decimals = 1 if not 0 < missing < 1e-3 else min(-2 - math.floor(math.log10(missing)), 12)
    return f"{100 * value:,.{decimals}f} %"
