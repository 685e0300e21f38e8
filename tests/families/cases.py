"""Every family with labels and linear predictors that it may have."""

import numpy as np
import pytest
from numpy.typing import NDArray

from straightline.families import FAMILIES, Family, Multinomial

CLASSES = 4
EVERY = [Multinomial(CLASSES) if name == "multinomial" else family for name, family in FAMILIES.items()]
every_family = pytest.mark.parametrize("family", EVERY, ids=FAMILIES)
SINGLE = [family for family in EVERY if family.outputs == 1]
families_of_one_output = pytest.mark.parametrize("family", SINGLE, ids=lambda family: family.name)
LOG_LINKS = [FAMILIES["poisson"], FAMILIES["gamma"]]
log_link_families = pytest.mark.parametrize("family", LOG_LINKS, ids=lambda family: family.name)


def predictors_of(family: Family, rows: int, seed: int = 0, spread: float = 1.0) -> NDArray:
    """Return linear predictors, `(rows,)` or `(rows, outputs)`."""
    shape = rows if family.outputs == 1 else (rows, family.outputs)
    return spread * np.random.default_rng(seed).normal(size=shape)


def labels_of(family: Family, rows: int, seed: int = 0) -> NDArray:
    """Return labels that the family may have."""
    random = np.random.default_rng([seed, 1])
    return family.draw(predictors_of(family, rows, seed), family.noises[0], 1.0, random)
