"""How much a table's size lets a stage fit: epochs, folds, seeds, and the shares of the rows of a learning curve."""

import itertools
import math
from dataclasses import replace

import numpy as np

from straightline.config.settings import Fit, Folds
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models import Model
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.training import fit

LEARNING_SHARES = (1 / 8, 1 / 4, 1 / 2)
LEARNING_FOLDS = 2
STEPS = 50_000  # of one fit, unless the epochs are few or many
SECONDS = 14.0  # of steps that all fits of a stage may take on two cores; imports and compiling come on top
EARLY = 0.7  # of their steps, about, are left by early stopping
MANY_ROWS = 50_000  # of which one repeat is precise enough
REPEATS, SEEDS = 10, 3


def fold_plan(table: TrainingTable, settings: Model, how: Fit, folds: Folds) -> Folds:
    """Return `folds` with the repeats and seeds that the size of `table` allows, where they are None.

    Rows in the order of time are divided once. Else repeats are what a 16-16 network could afford, since all variants
    share their folds; a costlier one gets one seed.
    """
    rows = len(table.labels)
    steps, epochs = _epochs(rows, how)
    all_steps = folds.k * steps * epochs * (EARLY if epochs > _patience(epochs, how) else 1.0)
    sides = [len(table.names), *(settings.hidden if isinstance(settings, Neural) else []), 1]
    usual = all_steps * _step_seconds([len(table.names), 16, 16, 1], how.batch_size)
    own = all_steps * _step_seconds(sides, how.batch_size)
    repeats = 1 if table.ordered else min(int(SECONDS / (SEEDS * usual)), MANY_ROWS // rows, REPEATS)
    seeds = SEEDS if SEEDS * max(usual, own) <= SECONDS else 1
    return replace(folds, repeats=folds.repeats or max(repeats, 1), seeds=folds.seeds or seeds)


def descent_settings(table: TrainingTable, settings: Model, how: Fit) -> fit.Settings:
    """Return how `settings` descends on `table`, with the number of epochs that its rows ask for."""
    rows = len(table.labels)
    steps, epochs = _epochs(rows if isinstance(settings, Regression) else rows - round(rows * how.validation), how)
    return fit.Settings(
        family=table.family,
        optimizer=how.optimizer,
        momentum=how.momentum,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        l2=settings.l2,
        batch_size=how.batch_size,
        steps=steps,
        epochs=epochs,
        patience=_patience(epochs, how),
        standardize=table.standardize,
        center=not isinstance(settings, Regression) or settings.intercept,
    )


def learning_subsets(table: TrainingTable, parts: list[Fold], seed: int) -> list[Fold]:
    """Return shares of the first of `parts`' training rows, as folds that are scored on the same rows."""
    fewest = max(20, 2 * (len(table.names) + 1))
    subsets = []
    for part in parts[:LEARNING_FOLDS]:
        for share in LEARNING_SHARES:
            if share * len(part.train) >= fewest:
                kept = table.split.sample(part.train, share, seed)
                subsets.append(Fold(part.repeat, part.fold, kept, part.test))
    return subsets


def _epochs(rows: int, how: Fit) -> tuple[int, int]:
    """Return the steps of an epoch over `rows` rows, and how many epochs they ask for."""
    steps = -(-rows // how.batch_size)
    return steps, how.epochs or int(np.clip(STEPS // steps, 3, 1000))


def _patience(epochs: int, how: Fit) -> int:
    return how.patience or max(5, epochs // 10)


def _step_seconds(sides: list[int], batch_size: int) -> float:
    """Return about what a replica's step takes on two cores in a stack (docs/log.md)."""
    products = sum(math.prod(pair) for pair in itertools.pairwise(sides))
    return 2e-6 + 6e-11 * batch_size * products
