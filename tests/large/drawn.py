"""Large tables for tests, made small: a Parquet file of many row groups, and the same rows in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.data.folds import Fold
from straightline.data.rows import Rows
from straightline.data.schema import Feature
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.families import family_of
from straightline.families.target import Target
from straightline.large.division import Division
from straightline.large.table import LargeTable

GROUP_ROWS = 250


@dataclass(frozen=True, eq=False)
class Drawn:
    """The same rows as a large table and in memory."""

    large: LargeTable
    held: TrainingTable

    def folds(self, division: Division) -> list[Fold]:
        """Return the folds of `division` as lists of rows."""
        cells = division.cells_of(np.arange(len(self.held.labels)))
        return [
            Fold(
                0,
                fold,
                np.flatnonzero(division.is_trained(fold)[cells]).astype(np.int32),
                np.flatnonzero(cells == division.test_cell(fold)).astype(np.int32),
            )
            for fold in range(division.k)
        ]


def labels_of(family: str, predictor: NDArray, random: np.random.Generator) -> tuple[NDArray, list[Any] | None]:
    """Return labels around a linear predictor, and their classes."""
    if family == "gaussian":
        return predictor + random.normal(size=len(predictor)), None
    if family == "bernoulli":
        return (random.random(len(predictor)) < 1 / (1 + np.exp(-predictor))).astype(float), ["no", "yes"]
    if family == "poisson":
        return random.poisson(np.exp(0.4 * predictor)).astype(float), None
    if family == "gamma":
        return random.gamma(2.0, np.exp(0.4 * predictor) / 2), None
    noise = random.gumbel(size=(len(predictor), 3))
    return (np.column_stack([0 * predictor, predictor, -0.5 * predictor]) + noise).argmax(axis=1).astype(float), [
        *"abc"
    ]


def drawn(
    folder: Path,
    family: str = "gaussian",
    rows: int = 3_000,
    weights: bool = False,
    exposure: bool = False,
    features: NDArray | None = None,
    ordered: bool = False,
    seed: int = 0,
) -> Drawn:
    """Return rows with a linear truth, in both forms."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 4)) * [1, 10, 0.1, 1] + [0, 100, 0, -5] if features is None else features
    standard = (values - values.mean(axis=0)) / np.where(values.std(axis=0) > 0, values.std(axis=0), 1)
    labels, classes = labels_of(family, standard @ np.linspace(-1, 1, values.shape[1]) + 0.3, random)
    names = [f"x{number}" for number in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=names).assign(y=labels)
    if weights:
        frame["w"] = random.integers(1, 5, rows).astype(float)
    if exposure:
        frame["e"] = random.uniform(0.5, 2, rows)
    path = folder / "train.parquet"
    frame.to_parquet(path, index=False, row_group_size=GROUP_ROWS)
    target = Target("y", family, classes, None, "e" if exposure else None)
    large = LargeTable(
        path, target, [Feature(name, "number") for name in names], True, ordered, weights="w" if weights else None
    )
    row_weights, offset = (
        frame["w"].to_numpy() if weights else None,
        np.log(frame["e"].to_numpy()) if exposure else None,
    )
    memory = TrainingTable(
        held(Rows(np.asfortranarray(values), labels, row_weights, offset)),
        labels,
        names,
        family_of(target),
        True,
        ordered=ordered,
        weights=row_weights,
        offset=offset,
        classes=classes,
    )
    return Drawn(large, memory)
