"""The kinds of targets. A family holds the link, the loss, the labels and the names for readers.

A new family needs a module here and an entry in FAMILIES. No other package checks which family a target has: it calls
the methods of the family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from straightline.families.bernoulli import Bernoulli
from straightline.families.family import Family
from straightline.families.gamma import Gamma
from straightline.families.gaussian import Gaussian
from straightline.families.multinomial import Multinomial
from straightline.families.poisson import Poisson

if TYPE_CHECKING:
    import pandas as pd

    from straightline.families.target import Target

__all__ = ["FAMILIES", "Bernoulli", "Family", "Gamma", "Gaussian", "Multinomial", "Poisson", "family_for", "family_of"]

# With `family: auto` the first family that suits the column is taken.
FAMILIES: dict[str, Family] = {
    family.name: family for family in (Bernoulli(), Multinomial(), Gaussian(), Poisson(), Gamma())
}
AUTO = "auto"


def family_for(values: pd.Series, name: str = AUTO) -> Family:
    """Return the family called `name`, or for `auto` the first family that suits the target's `values` `(rows,)`."""
    if name != AUTO:
        return FAMILIES[name]
    return next(family for family in FAMILIES.values() if family.suits(values))


def family_of(target: Target) -> Family:
    """Return the family of a target, with an output for each of its linear predictors."""
    return FAMILIES[target.family].of(target)
