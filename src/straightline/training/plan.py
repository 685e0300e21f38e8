"""How much training the size of a table allows: epochs, folds, seeds, and the subsets of a learning curve."""

import itertools
import math
from dataclasses import replace

import numpy as np

from straightline.config.settings import Fit, Folds
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models import Averaged, Model, Neural, Regression
from straightline.training import fit

LEARNING_SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the training rows of a fold
LEARNING_FOLDS = 2  # folds that the learning curve takes its subsets from
STEPS = 50_000  # optimizer steps of one fit, unless its epochs reach their lower or upper limit
SECONDS = 14.0  # budget for the steps of all fits of a stage on two cores; imports and compilation come on top
EARLY = 0.7  # the approximate share of the steps that remains after early stopping
MANY_ROWS = 50_000  # with this many rows one repeat of the folds is precise enough
SEEDS = 3  # at most
MEMBERS = 5  # of an averaged network
CHOICE_ROWS = 2_000  # The settings of an averaged network are chosen on so many training rows at most.
FEW_MEMBERS, FEW_MEMBERS_ROWS = 2, 15_000  # of an averaged network with so many training rows
MEMBER_STEPS, MEMBER_EPOCHS = 1_000, 20  # A member takes so many steps, or so many epochs if these take longer.


def fold_plan(table: TrainingTable, model_settings: Model, fit_settings: Fit, folds: Folds) -> Folds:
    """Return `folds`; repeats and seeds that are None become the numbers that the size of `table` allows.

    Rows in time order are divided only once. Otherwise the number of repeats is what a network with hidden layers
    16-16 can afford, since all variants share their folds, but at most `folds.max_repeats`. A more expensive variant
    gets one seed instead.
    """
    rows = len(table.labels)
    steps, epochs = _epochs(rows, fit_settings)
    all_steps = folds.k * steps * epochs * (EARLY if epochs > _patience(epochs, fit_settings) else 1.0)
    hidden = [] if isinstance(model_settings, Regression | Averaged) else model_settings.hidden
    usual_seconds = all_steps * _step_seconds([len(table.names), 16, 16, 1], fit_settings.batch_size)
    variant_seconds = all_steps * _step_seconds([len(table.names), *hidden, 1], fit_settings.batch_size)
    repeats = 1 if table.ordered else min(int(SECONDS / (SEEDS * usual_seconds)), MANY_ROWS // rows, folds.max_repeats)
    is_single = not isinstance(model_settings, Averaged)  # An averaged network averages over seeds itself.
    seeds = SEEDS if is_single and SEEDS * max(usual_seconds, variant_seconds) <= SECONDS else 1
    return replace(folds, repeats=folds.repeats or max(repeats, 1), seeds=folds.seeds or seeds)


def descent_settings(table: TrainingTable, model_settings: Neural | Regression, fit_settings: Fit) -> fit.Settings:
    """Return the settings of gradient descent on `table`, with the number of epochs chosen by its rows."""
    rows = len(table.labels)
    if not isinstance(model_settings, Regression):
        rows = max(rows - round(rows * fit_settings.validation), 1)
    steps, epochs = _epochs(rows, fit_settings)
    return fit.Settings(
        family=table.family,
        optimizer=fit_settings.optimizer,
        momentum=fit_settings.momentum,
        learning_rate=model_settings.learning_rate,
        schedule=model_settings.schedule,
        l2=0.0 if isinstance(model_settings, Regression) else model_settings.l2,
        batch_size=fit_settings.batch_size,
        steps=steps,
        epochs=epochs,
        patience=_patience(epochs, fit_settings),
        standardize=table.standardize,
        center=not isinstance(model_settings, Regression) or model_settings.intercept,
    )


def member_settings(table: TrainingTable, network: Neural, fit_settings: Fit, rows: int) -> fit.Settings:
    """Return the settings of gradient descent for members of an averaged network, which run all their epochs.

    `rows` is the number of rows that all members of a set of rows have together.
    """
    steps = -(-round(rows * (1 - 1 / MEMBERS)) // fit_settings.batch_size)
    most = max(-(-MEMBER_STEPS // steps), MEMBER_EPOCHS)
    epochs = fit_settings.epochs or int(np.clip(STEPS // steps, 3, most))
    settings = descent_settings(table, network, fit_settings)
    return replace(settings, steps=steps, epochs=epochs, patience=epochs)


def planned(table: TrainingTable, model_settings: Model, fit_settings: Fit) -> tuple[int, int]:
    """Return the most epochs that the training of a variant takes, and the steps of an epoch."""
    if not isinstance(model_settings, Averaged):
        descent = descent_settings(table, model_settings, fit_settings)
        return descent.epochs, descent.steps
    choices = model_settings.hidden_layers(len(table.labels))
    network, rows = model_settings.member(choices[0], learning_rate=0.001, l2=0.0), len(table.labels)
    choice = member_settings(table, network, fit_settings, min(rows, CHOICE_ROWS))
    if rows <= CHOICE_ROWS:
        return len(choices) * choice.epochs, choice.steps
    descent = member_settings(table, network, fit_settings, rows)
    return len(choices) * (choice.epochs + descent.epochs), descent.steps


def all_rows(table: TrainingTable) -> Fold:
    """Return a fold that trains on all rows and tests on none."""
    return Fold(-1, 0, np.arange(len(table.labels), dtype=np.int32), np.arange(0, dtype=np.int32))


def learning_subsets(table: TrainingTable, parts: list[Fold], seed: int) -> list[Fold]:
    """Return the folds of the learning curve: the first of `parts`, each with smaller shares of its training rows.

    They are scored on the same held-out rows as the full fold. A share with too few rows is left out.
    """
    fewest = max(20, 2 * (len(table.names) + 1))
    subsets = []
    for part in parts[:LEARNING_FOLDS]:
        for share in LEARNING_SHARES:
            if share * len(part.train) >= fewest:
                kept = table.split.sample(part.train, share, seed)
                subsets.append(Fold(part.repeat, part.fold, kept, part.test))
    return subsets


def _epochs(rows: int, fit_settings: Fit) -> tuple[int, int]:
    """Return the steps of an epoch over `rows` rows, and the number of epochs."""
    steps = -(-rows // fit_settings.batch_size)
    return steps, fit_settings.epochs or int(np.clip(STEPS // steps, 3, 1000))


def _patience(epochs: int, fit_settings: Fit) -> int:
    return fit_settings.patience or max(5, epochs // 10)


def _step_seconds(sides: list[int], batch_size: int) -> float:
    """Return the approximate seconds of one step of one replica in a stack on two cores (docs/log.md).

    `sides` are the numbers of units of the layers, from the inputs to the output.
    """
    products = sum(math.prod(pair) for pair in itertools.pairwise(sides))
    return 2e-6 + 6e-11 * batch_size * products
