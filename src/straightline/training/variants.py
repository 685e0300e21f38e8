"""What the train stage computes: a variant's final model, its folds, and its learning curve."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.config.settings import Fit, Folds
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.models import Model
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.regression import exact
from straightline.regression.certification import certify, fold_messages
from straightline.regression.coefficients import coefficient_table
from straightline.training import fit
from straightline.training.batches import Replica
from straightline.training.plan import descent_settings, learning_subsets
from straightline.training.predictors import (
    network_predictors,
    raw_coefficients,
    regression_predictor,
    shipped_network,
    shipped_regression,
)
from straightline.training.records import (
    Trained,
    fold_history_table,
    fold_place,
    history_table,
    learning_table,
    weight_summary,
)
from straightline.training.scoring import fold_losses

CONFIDENCE = 0.95  # of the coefficients' intervals


def train(table: TrainingTable, settings: Model, how: Fit, folds: Folds, on_epoch: fit.OnEpoch) -> Trained:
    """Fit the variant `settings` on all rows of `table`, on every training fold, and on shares of some.

    `folds` is what `fold_plan` returns. Raises UserError where the rows are too few for the folds or a descent
    diverges.
    """
    parts = table.split.folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed)
    subsets = learning_subsets(table, parts, folds.seed)
    if isinstance(settings, Regression):
        return _train_regression(table, settings, how, parts, subsets, on_epoch)
    return _train_network(table, settings, how, folds.seeds or 1, parts, subsets, on_epoch)


def _train_regression(
    table: TrainingTable,
    settings: Regression,
    how: Fit,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    raw, table = table, table.quadratic() if settings.terms == "quadratic" else table
    model = replace(settings, terms="linear").build(len(table.names), "linear", how.dtype)
    everything = Replica(np.arange(len(table.labels), dtype=np.int32), np.arange(0, dtype=np.int32), how.seed)
    descent = descent_settings(table, settings, how)
    (reached,) = fit.fit(model, table.source, [everything], descent, on_epoch)
    messages = _divergences([("the final model", reached)])
    scored = [*parts, *subsets]
    (best,) = exact.optima(
        table.source,
        [everything.train],
        table.family,
        table.names,
        robust=settings.robust,
        intercept=settings.intercept,
    )
    fitted, losses = regression_losses(table, scored, best)
    of_folds = fold_messages(fitted[: len(parts)], best.messages)
    trained = raw_coefficients(reached)
    shipped = shipped_regression(settings, raw, best.coefficients if settings.finish == "exact" else trained)
    return Trained(
        model=shipped,
        history=history_table(reached, has_validation=False),
        folds=pd.DataFrame(
            [
                fold_place(part, 0) | {"epochs": 0, "steps": 0, "method": one.method} | loss
                for part, one, loss in zip(parts, fitted, losses, strict=False)
            ]
        ),
        learning=learning_table(subsets, [loss["loss"] for loss in losses[len(parts) :]]),
        weights=weight_summary(shipped, table, reached),
        coefficients=coefficient_table(best, table.names, trained, CONFIDENCE),
        certificate=certify(table, best, of_folds, trained),
        messages=[*messages, *best.messages, *of_folds],
    )


def regression_losses(
    table: TrainingTable, parts: list[Fold], best: exact.Optimum
) -> tuple[list[exact.Optimum], list[dict[str, float]]]:
    """Return the exact regression of each fold's training rows, and its loss; `best` is that of all rows."""
    trains = [part.train for part in parts]
    fitted = exact.optima(
        table.source, trains, table.family, table.names, best, inference=False, intercept=best.intercept
    )
    return fitted, fold_losses(table, parts, [regression_predictor(one, table.family) for one in fitted])


def _train_network(
    table: TrainingTable,
    settings: Neural,
    how: Fit,
    seeds: int,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    everything = Fold(-1, 0, np.arange(len(table.labels), dtype=np.int32), np.arange(0, dtype=np.int32))
    seeded = [(part, seed) for part in parts for seed in range(seeds)]
    scored = [*seeded, *((part, 0) for part in subsets)]
    lines = iter(_lines(table, [everything, *parts, *subsets]) if settings.from_regression else itertools.repeat(None))
    replicas = [
        *fold_replicas(table, everything, 1, how, next(lines)),
        *(one for part in parts for one in fold_replicas(table, part, seeds, how, next(lines))),
        *(one for part in subsets for one in fold_replicas(table, part, 1, how, next(lines))),
    ]
    model, predicting = (
        settings.build(len(table.names), activation, how.dtype) for activation in ("linear", table.family.activation)
    )
    final, *fitted = fit.fit(model, table.source, replicas, descent_settings(table, settings, how), on_epoch)
    messages = _divergences([("the final model", final), *zip(map(_place, scored), fitted, strict=True)])
    losses = fold_losses(table, [part for part, _ in scored], network_predictors(predicting, fitted))
    shipped = shipped_network(settings, table, final)
    return Trained(
        model=shipped,
        history=history_table(final, has_validation=True),
        folds=pd.DataFrame(
            [
                fold_place(part, seed) | {"epochs": len(one.losses), "steps": one.steps, "method": "network"} | loss
                for (part, seed), one, loss in zip(seeded, fitted, losses, strict=False)
            ]
        ),
        learning=learning_table(subsets, [loss["loss"] for loss in losses[len(seeded) :]]),
        weights=weight_summary(shipped, table, final),
        messages=messages,
        fold_history=fold_history_table(fitted[: len(seeded)]),
    )


def _lines(table: TrainingTable, parts: list[Fold]) -> list[NDArray]:
    (best,) = exact.optima(table.source, [parts[0].train], table.family, table.names, inference=False)
    trains = [part.train for part in parts[1:]]
    rest = exact.optima(table.source, trains, table.family, table.names, best, inference=False)
    return [one.coefficients for one in (best, *rest)]


def fold_replicas(table: TrainingTable, part: Fold, seeds: int, how: Fit, line: NDArray | None = None) -> list[Replica]:
    """Return the networks of a fold: one a seed, with a share of its training rows set aside for early stopping.

    `line` are the coefficients of the regression that they start from.
    """
    # The validation rows are the same for every seed of a fold, so that seeds differ in initialisation and order only.
    own = int(np.random.SeedSequence([how.seed, part.repeat + 1, part.fold]).generate_state(1)[0])
    kept, aside = table.split.set_aside(part.train, how.validation, own)
    places = [[how.seed, part.repeat + 1, part.fold, seed, len(part.train)] for seed in range(seeds)]
    seeded = [int(np.random.SeedSequence(place).generate_state(1)[0]) for place in places]
    return [Replica(kept, aside, own, line=line) for own in seeded]


def _place(job: tuple[Fold, int]) -> str:
    part, seed = job
    return f"repeat {part.repeat}, fold {part.fold}, seed {seed} ({len(part.train)} training rows)"


def _divergences(fits: list[tuple[str, fit.Fitted]]) -> list[str]:
    """Say which fits ended in a loss that is not finite. Raises UserError where one has no earlier epoch."""
    lost = [(place, one) for place, one in fits if one.diverged]
    hopeless = [place for place, one in lost if not one.best_epoch and not one.frozen]
    if hopeless:
        raise UserError(
            f"training diverged: in {len(hopeless)} of {len(fits)} fits the loss is not finite in the first epoch, "
            f"first in that of {hopeless[0]}; set a smaller learning_rate, or check the columns for extreme values"
        )
    return [
        f"{place}: the loss is not finite at epoch {one.diverged}, the weights of epoch {one.best_epoch} are kept; a "
        "smaller learning_rate may help"
        for place, one in lost
    ]
