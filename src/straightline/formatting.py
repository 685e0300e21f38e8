"""Format numbers for readers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

MANY = 1e4
SPACE = "\N{NO-BREAK SPACE}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def listed(names: Iterable[object], shown: int = 5) -> str:
    """Return the first `shown` names, separated by commas, and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - shown:,} more" if len(texts) > shown else ""
    return ", ".join(texts[:shown]) + more


def percent(value: float | None) -> str:
    """Return a share as a percentage with one decimal, with more decimals just below 100 %.

    None stands for a missing bound and gives `unbounded`. A number of a million percent or more is a power of ten.
    """
    if value is None:
        return "unbounded"
    if abs(value) >= MANY:
        return f"{number(100 * value, 2)} %"
    missing = 1 - abs(value)
    decimals = 1 if not 0 < missing < 1e-3 else min(-2 - math.floor(math.log10(missing)), 12)
    return f"{100 * value:,.{decimals}f} %"


def number(value: Any, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits, with more digits just below 1. A missing value gives a dash."""
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}".replace("-", "−")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    # 0.99999712 must not become 1: show two digits of its distance from 1.
    missing = 1 - abs(value)
    if 0 < missing < 1e-3:
        digits = max(digits, min(1 - math.floor(math.log10(missing)), 15))
    rounded = float(f"{value:.{digits - 1}e}")
    if rounded == 0:
        return "0"
    exponent = math.floor(math.log10(abs(rounded)))
    if -4 <= exponent < 6:
        return f"{rounded:,.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")
    mantissa = f"{rounded:.{digits - 1}e}".split("e")[0].replace("-", "−")
    return f"{mantissa}{SPACE}×{SPACE}10{str(exponent).translate(SUPERSCRIPTS)}"
