"""Rows and replicas that the tests of training share."""

import numpy as np

from straightline.data.rows import Rows
from straightline.families import FAMILIES
from straightline.training.batches import Replica
from tests.builders import labels_of

ROWS = 90


def table(family: str = "gaussian", weighted: bool = False) -> Rows:
    """Return rows whose score is a line and a wave; if `weighted`, with whole numbers as weights, and with offsets."""
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 3))
    score = features @ [1.0, -2.0, 0.5] + np.sin(3 * features[:, 0]) + 0.1 * random.normal(size=ROWS)
    labels = labels_of(score, family)
    if not weighted:
        return Rows(features, labels)
    offset = random.normal(1.0, 0.5, ROWS) if FAMILIES[family].has_offset else None
    return Rows(features, labels, random.integers(1, 4, ROWS).astype(float), offset)


def replicas(count: int) -> list[Replica]:
    """Return replicas with different rows to train and to validate on."""
    rows = [np.random.default_rng(seed).permutation(ROWS) for seed in range(count)]
    return [Replica(np.sort(own[: 70 - seed]), np.sort(own[70:]), seed) for seed, own in enumerate(rows)]
