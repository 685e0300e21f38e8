"""Training of a variant: its final model on all rows, its folds, and its learning curve.

A variant is a model with its settings on one target. Regressions and averaged networks have modules of their own. For a
single network, the final model, all folds with all seeds, and the learning curve are replicas of one call of `fit.fit`.
"""

from collections.abc import Sequence
from dataclasses import replace

import keras
import pandas as pd

from straightline.config.settings import Fit, Folds
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models import Averaged, Model, Neural, Regression
from straightline.regression import exact
from straightline.training import fit
from straightline.training.averaged_variant import train_average
from straightline.training.batches import Replica, seed_of
from straightline.training.fitted import divergences
from straightline.training.networks import built
from straightline.training.plan import all_rows, descent_settings, learning_subsets
from straightline.training.predictors import network_predictors, shipped_network
from straightline.training.records import (
    Trained,
    fold_history_table,
    fold_place,
    history_table,
    learning_table,
    weight_summary,
)
from straightline.training.regression_variant import train_regression
from straightline.training.scoring import fold_losses


def train(
    table: TrainingTable, model_settings: Model, fit_settings: Fit, folds: Folds, on_epoch: fit.OnEpoch
) -> Trained:
    """Fit the variant on all rows of `table`, on the training rows of every fold, and on subsets of some of them.

    `folds` is the result of `fold_plan`. Raises UserError if there are too few rows for the folds, or if the loss of a
    fit is not finite in its first epoch.
    """
    parts = table.split.folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed)
    subsets = learning_subsets(table, parts, folds.seed)
    if isinstance(model_settings, Regression):
        return train_regression(table, model_settings, fit_settings, parts, subsets, on_epoch)
    if isinstance(model_settings, Averaged):
        return train_average(table, model_settings, fit_settings, parts, subsets, on_epoch)
    return _train_network(table, model_settings, fit_settings, folds.seeds or 1, parts, subsets, on_epoch)


def _train_network(
    table: TrainingTable,
    model_settings: Neural,
    fit_settings: Fit,
    seeds: int,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    whole = all_rows(table)
    seeded = [(part, seed) for part in parts for seed in range(seeds)]
    scored = [*seeded, *((part, 0) for part in subsets)]
    divided = [whole, *parts, *subsets]
    seed_counts = [1, *[seeds] * len(parts), *[1] * len(subsets)]
    model, (final, *fitted) = fitted_networks(table, divided, seed_counts, model_settings, fit_settings, on_epoch)
    messages = divergences([("the final model", final), *zip(map(_place, scored), fitted, strict=True)])
    losses = fold_losses(table, [part for part, _ in scored], network_predictors(model, fitted, table.family))
    shipped = shipped_network(model_settings, table, final)
    return Trained(
        model=shipped,
        history=history_table(final, has_validation=True),
        folds=pd.DataFrame(
            [
                fold_place(part, seed)
                | {"epochs": len(network.losses), "steps": network.steps, "method": "network"}
                | loss
                for (part, seed), network, loss in zip(seeded, fitted, losses, strict=False)
            ]
        ),
        learning=learning_table(subsets, [loss["loss"] for loss in losses[len(seeded) :]]),
        weights=weight_summary(shipped, table, [final]),
        messages=messages,
        fold_history=fold_history_table(fitted[: len(seeded)]),
    )


def fitted_networks(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    seeds: Sequence[int],
    model_settings: Neural,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
) -> tuple[keras.Sequential, list[fit.Fitted]]:
    """Return the Keras model of a network, and its fits to the training rows of `row_sets`, each with so many seeds."""
    replicas = [
        replica
        for part, count in zip(row_sets, seeds, strict=True)
        for replica in fold_replicas(table, part, count, fit_settings)
    ]
    if model_settings.from_regression:
        replicas = from_regressions(table, replicas)
    model = built(model_settings, len(table.names), table.family.outputs, fit_settings.dtype)
    descent = descent_settings(table, model_settings, fit_settings)
    return model, fit.fit(model, table.source, replicas, descent, on_epoch)


def fold_replicas(table: TrainingTable, part: Fold, seeds: int, fit_settings: Fit) -> list[Replica]:
    """Return the networks of a fold, one for each seed.

    A share of the fold's training rows is set aside for early stopping.
    """
    # The validation rows are the same for every seed of a fold, so that seeds differ in initialisation and order only.
    place = [fit_settings.seed, part.repeat + 1, part.fold]
    kept, validation = table.split.set_aside(part.train, fit_settings.validation, seed_of(place))
    replica_seeds = [seed_of([*place, seed, len(part.train)]) for seed in range(seeds)]
    return [Replica(kept, validation, seed) for seed in replica_seeds]


def from_regressions(table: TrainingTable, replicas: Sequence[Replica]) -> list[Replica]:
    """Return `replicas` that start as the exact regression on the rows that they train on.

    The rows that decide when to stop have no part in it: on them the regression would look too good to be improved.
    """
    trains = {id(replica.train): replica.train for replica in replicas}
    optima = exact.optima(table.source, list(trains.values()), table.family, table.names, inference=None)
    lines = dict(zip(trains, (optimum.coefficients for optimum in optima), strict=True))
    return [replace(replica, line=lines[id(replica.train)]) for replica in replicas]


def _place(job: tuple[Fold, int]) -> str:
    part, seed = job
    return f"repeat {part.repeat}, fold {part.fold}, seed {seed} ({len(part.train)} training rows)"
