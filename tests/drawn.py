"""Tables whose targets are drawn from a known truth of each family, with weights and offsets where they are asked."""

import numpy as np

from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES


def drawn_table(family_name: str, rows: int = 120, *, weighted: bool = False, exposed: bool = False) -> TrainingTable:
    """Return a table with the columns a and b, whose target follows a line and a square.

    With `weighted` the weights are whole numbers from 1 to 3. With `exposed` rows have an offset, if the family takes
    one.
    """
    random, family = np.random.default_rng(3), FAMILIES[family_name]
    features = random.normal(size=(rows, 2))
    predictor = np.clip(0.5 * features[:, 0] + 0.5 * features[:, 1] ** 2, -2, 2)
    weights = random.integers(1, 4, rows).astype(np.float64) if weighted else None
    offset = np.log(random.uniform(0.5, 4, rows)) if exposed and family.has_offset else None
    shifted = predictor if offset is None else predictor + offset
    if family.outputs > 1:
        shifted = np.column_stack([shifted, *[-features[:, 0]] * (family.outputs - 1)])
    labels = family.draw(shifted, family.noises[0], 0.5, random)
    source = held(Rows(features, labels, weights, offset))
    classes = list("pqrs"[: family.outputs + 1]) if family.strata(labels) is not None else None
    return TrainingTable(
        source, labels, ["a", "b"], family, standardize=True, weights=weights, offset=offset, classes=classes
    )
