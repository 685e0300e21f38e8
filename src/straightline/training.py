"""What the train stage computes: a variant's final model, its folds, and its learning curve."""

import itertools
import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from straightline import exact, fit
from straightline.batches import Replica
from straightline.config import Fit, Folds
from straightline.errors import UserError
from straightline.folds import Fold, repeated_folds, set_aside
from straightline.models import Model
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.trained import (
    LOSSES,
    Table,
    Trained,
    certificate,
    fold_losses,
    fold_place,
    history_table,
    learning_table,
    weight_summary,
)

ACTIVATIONS = {"continuous": "linear", "binary": "sigmoid"}
CONFIDENCE = 0.95  # of the coefficients' intervals
LEARNING_SHARES = (1 / 8, 1 / 4, 1 / 2)
LEARNING_FOLDS = 2
STEPS = 4_200_000  # of all fits of a stage, of a 16-16 network with batches of 32; early stopping leaves a part
MANY_ROWS = 50_000  # of which one repeat is precise enough
REPEATS, SEEDS = 10, 3


def train(table: Table, settings: Model, how: Fit, folds: Folds, on_epoch: fit.OnEpoch) -> Trained:
    """Fit the variant `settings` on all rows of `table`, on every training fold, and on shares of some.

    `folds` is what `fold_plan` returns. Raises UserError where the rows are too few for the folds or a descent
    diverges.
    """
    parts = repeated_folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed, table.classes)
    subsets = _learning_subsets(table, parts, folds.seed)
    if isinstance(settings, Regression):
        return _train_regression(table, settings, how, parts, subsets, on_epoch)
    return _train_network(table, settings, how, folds.seeds or 1, parts, subsets, on_epoch)


def fold_plan(table: Table, settings: Model, how: Fit, folds: Folds) -> Folds:
    """Return `folds` with the repeats and seeds that the size of `table` allows, where they are None.

    Repeats go by rows and steps alone, since all variants share their folds; a costly network gets one seed.
    """
    rows = len(table.labels)
    steps = math.prod(_epochs(rows, how)) * folds.k
    sides = [len(table.names), *(settings.hidden if isinstance(settings, Neural) else []), 1]
    products = sum(a * b for a, b in itertools.pairwise(sides)) * how.batch_size
    cost = max(1.0, products / (2 * 320 * 32))  # relative to 16-16; larger products are about twice as efficient
    seeds = folds.seeds or (SEEDS if SEEDS * steps * cost <= STEPS else 1)
    repeats = min(STEPS // (SEEDS * steps), MANY_ROWS // rows, REPEATS)
    return replace(folds, repeats=folds.repeats or max(repeats, 1), seeds=seeds)


def descent_settings(table: Table, settings: Model, how: Fit) -> fit.Settings:
    """Return how `settings` descends on `table`, with the number of epochs that its rows ask for."""
    rows = len(table.labels)
    steps, epochs = _epochs(rows if isinstance(settings, Regression) else rows - round(rows * how.validation), how)
    return fit.Settings(
        loss=LOSSES[table.task],
        optimizer=how.optimizer,
        momentum=how.momentum,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        l2=settings.l2,
        batch_size=how.batch_size,
        steps=steps,
        epochs=epochs,
        patience=how.patience or max(5, epochs // 10),
        standardize=table.standardize,
    )


def _epochs(rows: int, how: Fit) -> tuple[int, int]:
    """Return the steps of an epoch over `rows` rows, and how many epochs they ask for."""
    steps = -(-rows // how.batch_size)
    return steps, how.epochs or int(np.clip(50_000 // steps, 5, 1000))


def _train_regression(
    table: Table,
    settings: Regression,
    how: Fit,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    model = settings.build(len(table.names), ACTIVATIONS[table.task])
    everything = Replica(np.arange(len(table.labels)), np.arange(0), how.seed)
    descent = descent_settings(table, settings, how)
    (reached,) = fit.fit(model, table.features, table.labels, [everything], descent, on_epoch)
    messages = _divergences([("the final model", reached)])
    best = exact.optimum(table.features, table.labels, table.task, table.names)
    trained = _raw_coefficients(reached)
    shipped = settings.build(len(table.names), ACTIVATIONS[table.task], "float64")
    coefficients = best.coefficients if settings.finish == "exact" else trained
    shipped.set_weights([coefficients[1:, np.newaxis], coefficients[:1]])

    def rows_of(part: Fold) -> dict[str, Any]:
        own = exact.optimum(table.features[part.train], table.labels[part.train], table.task, table.names)
        prediction = _predict(own, table.features[part.test], table.task)
        return {"epochs": 0, "steps": 0, "method": own.method} | fold_losses(table, part, prediction)

    return Trained(
        model=shipped,
        history=history_table(reached, has_validation=False),
        folds=pd.DataFrame([fold_place(part, 0) | rows_of(part) for part in parts]),
        learning=learning_table(subsets, [rows_of(part)["loss"] for part in subsets]),
        weights=weight_summary(shipped, table, reached),
        coefficients=exact.coefficient_table(best, table.names, trained, CONFIDENCE),
        certificate=certificate(table, best, trained),
        messages=[*messages, *best.messages],
    )


def _train_network(
    table: Table,
    settings: Neural,
    how: Fit,
    seeds: int,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    everything = Fold(-1, 0, np.arange(len(table.labels)), np.arange(0))
    seeded = [(part, seed) for part in parts for seed in range(seeds)]
    jobs = [(everything, 0), *seeded, *((part, 0) for part in subsets)]
    replicas = [_replica(table, part, seed, how) for part, seed in jobs]
    model = settings.build(len(table.names), ACTIVATIONS[table.task])
    final, *fitted = fit.fit(
        model, table.features, table.labels, replicas, descent_settings(table, settings, how), on_epoch
    )

    def rows_of(part: Fold, one: fit.Fitted) -> dict[str, Any]:
        ran = {"epochs": len(one.losses), "steps": one.steps, "method": "network"}
        return ran | fold_losses(table, part, _predict_network(model, one, table.features[part.test]))

    messages = _divergences([("the final model", final), *zip(map(_place, jobs[1:]), fitted, strict=True)])
    shipped = _shipped_network(settings, table, final)
    scored = [fold_place(part, seed) | rows_of(part, one) for (part, seed), one in zip(seeded, fitted, strict=False)]
    return Trained(
        model=shipped,
        history=history_table(final, has_validation=True),
        folds=pd.DataFrame(scored),
        learning=learning_table(
            subsets,
            [rows_of(part, one)["loss"] for part, one in zip(subsets, fitted[len(seeded) :], strict=True)],
        ),
        weights=weight_summary(shipped, table, final),
        messages=messages,
    )


def _replica(table: Table, part: Fold, seed: int, how: Fit) -> Replica:
    # The validation rows are the same for every seed of a fold, so that seeds differ in initialisation and order only.
    own = int(np.random.SeedSequence([how.seed, part.repeat + 1, part.fold]).generate_state(1)[0])
    strata = None if table.classes is None else table.classes[part.train]
    kept, aside = set_aside(part.train, how.validation, own, strata)
    drawn = np.random.SeedSequence([how.seed, part.repeat + 1, part.fold, seed, len(part.train)])
    return Replica(kept, aside, int(drawn.generate_state(1)[0]))


def _place(job: tuple[Fold, int]) -> str:
    part, seed = job
    return f"repeat {part.repeat}, fold {part.fold}, seed {seed} ({len(part.train)} training rows)"


def _divergences(fits: list[tuple[str, fit.Fitted]]) -> list[str]:
    """Say which fits ended in a loss that is not finite. Raises UserError where one has no earlier epoch."""
    lost = [(place, one) for place, one in fits if one.diverged]
    hopeless = [place for place, one in lost if not one.best_epoch]
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


def _learning_subsets(table: Table, parts: list[Fold], seed: int) -> list[Fold]:
    fewest = max(20, 2 * (len(table.names) + 1))
    subsets = []
    for part in parts[:LEARNING_FOLDS]:
        strata = None if table.classes is None else table.classes[part.train]
        for share in LEARNING_SHARES:
            if share * len(part.train) >= fewest:
                kept, _ = set_aside(part.train, 1 - share, seed, strata)
                subsets.append(Fold(part.repeat, part.fold, kept, part.test))
    return subsets


def _predict(best: exact.Optimum, features: NDArray, task: str) -> NDArray:
    predictor = best.predict(features)
    return predictor if task == "continuous" else np.asarray(special.expit(predictor))


def _predict_network(model: keras.Model, fitted: fit.Fitted, features: NDArray) -> NDArray:
    scaling = fitted.scaling
    model.set_weights(fitted.weights)
    outputs = model((features - scaling.center) / scaling.scale)
    return scaling.target_center + scaling.target_scale * keras.ops.convert_to_numpy(outputs)[:, 0].astype(np.float64)


def _raw_coefficients(fitted: fit.Fitted) -> NDArray:
    kernel, bias = (array.astype(np.float64) for array in fitted.weights)
    scaling = fitted.scaling
    slopes = kernel[:, 0] * scaling.target_scale / scaling.scale
    return np.concatenate([bias * scaling.target_scale + scaling.target_center - slopes @ scaling.center, slopes])


def _shipped_network(settings: Neural, table: Table, fitted: fit.Fitted) -> keras.Model:
    """Return the network with its scaling inside: raw columns in, the target's own units out."""
    plain = settings.build(len(table.names), ACTIVATIONS[table.task])
    scaling, weights = fitted.scaling, [array.copy() for array in fitted.weights]
    weights[-2] *= scaling.target_scale
    weights[-1] = weights[-1] * scaling.target_scale + scaling.target_center
    plain.set_weights([array.astype(np.float32) for array in weights])
    layers = list(plain.layers)
    if table.standardize:
        mean, variance = scaling.center.tolist(), (scaling.scale**2).tolist()
        layers.insert(
            0, keras.layers.Normalization(mean=mean, variance=variance, dtype="float64", name="standardization")
        )
    features = keras.Input((len(table.names),), dtype="float64", name="features")
    return keras.Sequential([features, *layers], name=plain.name)
