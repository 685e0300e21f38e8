"""What a target is: its link, its loss, its labels, and the words for it. A family is a file here and a line below.

No other room asks which family it has: it asks the family for what it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from straightline.families.bernoulli import Bernoulli
from straightline.families.family import Family
from straightline.families.gaussian import Gaussian

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FAMILIES", "Bernoulli", "Family", "Gaussian", "family_for"]

# Where the family is chosen from the column, the first that suits it is taken.
FAMILIES: dict[str, Family] = {family.name: family for family in (Bernoulli(), Gaussian())}
AUTO = "auto"


def family_for(values: pd.Series, name: str = AUTO) -> Family:
    """Return the family called `name`, or for `auto` the first that suits a target's `values` `(rows,)`."""
    if name != AUTO:
        return FAMILIES[name]
    return next(family for family in FAMILIES.values() if family.suits(values))
