"""Judges the winner of a sweep: on fresh folds of the rows that selected it, and on held-out rows.

On fresh folds, neither the division into folds nor the random seeds of the selection can flatter the winner. The rows
are the same, so its losses there are raised by the optimism of the selection (`optimism.py`), which is more than what
is left of it.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from straightline.comparison.evidence import fold_means, ledger
from straightline.comparison.findings import decide
from straightline.comparison.judgement import mean_test_ratio
from straightline.comparison.significance import FoldLosses
from straightline.config.settings import Config, Folds
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.families import Family
from straightline.formatting import percent
from straightline.models import baseline_of
from straightline.sweeps.optimism import optimism
from straightline.sweeps.winner import Winner
from straightline.training import fit
from straightline.training.plan import fold_plan, planned
from straightline.training.records import Trained
from straightline.training.variants import train

ShowProgress = Callable[[str, int], AbstractContextManager[fit.OnEpoch]]


@dataclass(frozen=True)
class Selected:
    """How a network was selected: its name among the models, the number of configs that were tried, and their losses.

    `losses` `(configs, folds)` are the losses of the configs that did not fail, in the folds of the sweep.
    """

    model: str
    tried: int
    losses: NDArray


def winner(
    table: TrainingTable,
    config: Config,
    selected: Selected,
    held_out: Rows,
    show_progress: ShowProgress,
) -> Winner:
    """Compare the selected network with the baseline on fresh folds (`folds.seed` + 1), as the pipeline does.

    `show_progress` takes a title and the number of epochs, and returns a context manager that yields the callback for
    the training of a model.
    """
    model, tried, excess = selected.model, selected.tried, optimism(selected.losses, config.folds.seed)
    baseline = baseline_of(config.models)
    fresh = replace(config.folds, seed=(config.folds.seed + 1) % 2**32)
    fitted = {name: _trained(table, config, name, fresh, show_progress) for name in (baseline, model)}
    folds = {name: trained.folds for name, trained in fitted.items()}
    means = {name: fold_means(table).to_numpy() for name, table in folds.items()}
    raised = excess / (means[model].mean() or 1.0)
    means[model] = means[model] + excess
    ratio = mean_test_ratio(folds[baseline]) if table.ordered else None
    without_columns = fold_means(folds[baseline], "mean_loss").to_numpy()
    losses = FoldLosses(means, baseline, without_columns, fresh.k, ratio)
    margin, confidence, rows = config.verdict.margin, config.verdict.confidence, len(table.labels)
    decision = decide(losses, margin, confidence, rows)
    return Winner(
        selected_from=tried,
        optimism=excess,
        words=f"{model} is selected from {tried:,} configs on these rows, and its loss is raised by {percent(raised)} "
        "for that",
        baseline=baseline,
        folds_seed=fresh.seed,
        margin=margin,
        confidence=confidence,
        losses={name: float(values.mean()) for name, values in means.items()},
        answer=decision.answer,
        challenger=decision.challenger,
        finding=decision.best.finding,
        relative_gain=decision.best.relative_gain,
        relative_gain_interval=decision.best.relative_gain_interval,
        challengers=dict(decision.challengers),
        advice=decision.advice,
        ledger={name: ledger(table, tried if name == model else 1) for name, table in folds.items()},
        held_out=_held_out_losses(fitted, held_out, table.family),
    )


def _trained(table: TrainingTable, config: Config, name: str, fresh: Folds, show_progress: ShowProgress) -> Trained:
    model_settings = config.models[name]
    folds = fold_plan(table, model_settings, config.fit, fresh)
    epochs, _ = planned(table, model_settings, config.fit)
    with show_progress(f"{name} on fresh folds", epochs) as on_epoch:
        return train(table, model_settings, config.fit, folds, on_epoch)


def _held_out_losses(fitted: Mapping[str, Trained], rows: Rows, family: Family) -> dict[str, float]:
    """Return the loss of each model on the held-out rows, or nothing if there are none."""
    if not len(rows):
        return {}
    return {name: rows.mean_loss(family, _predicted(trained.model, rows.features)) for name, trained in fitted.items()}


def _predicted(model: keras.Model, features: NDArray) -> NDArray:
    """Return the predictions of a trained model, `(rows,)` or `(rows, classes)`, for the offset 0."""
    predicted = keras.ops.convert_to_numpy(model(features)).astype(np.float64)
    return np.asarray(predicted[:, 0] if predicted.shape[1] == 1 else predicted)
