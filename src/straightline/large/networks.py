"""Networks on a large table: they learn from growing samples, and are scored on all rows that their folds test on."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.large.counts import counting
from straightline.large.division import Division
from straightline.large.growth import Grown, Look, reason_to_end, sizes
from straightline.large.passes import Engine, by_cell
from straightline.large.portable import Portable, network_predictor
from straightline.large.regressions import regressions
from straightline.large.samples import Sample, growing
from straightline.large.scoring import cell_losses
from straightline.large.table import LargeTable
from straightline.models import Averaged, Neural
from straightline.regression.ridge import Line
from straightline.runtime.terminal import say
from straightline.training import fit
from straightline.training.averaged_variant import choice_columns, effort_columns, shipped_average
from straightline.training.averaging import Average, average, average_again, averaged_predictor
from straightline.training.fitted import divergences
from straightline.training.members import Batches
from straightline.training.plan import CHOICE_ROWS, LEARNING_FOLDS, all_rows
from straightline.training.plan import planned as planned_epochs
from straightline.training.predictors import shipped_network
from straightline.training.progress import epochs_shown
from straightline.training.records import (
    Trained,
    fold_history_table,
    history_table,
    member_history_table,
    weight_summary,
)
from straightline.training.scoring import Predictor, fold_losses, regression_predictor
from straightline.training.variants import fitted_networks

# With so many rows, batches of 256 instead of 32 rows bring the same losses, within .2 %, in two thirds of the time.
BATCHES = Batches(8, 4.0)


@dataclass(frozen=True, eq=False)
class Learned:
    """What was learned from a sample: for all rows of it and for each fold.

    `predictors` are the networks of the folds, and `lines` the straight lines of the same rows. `trained_rows` is the
    number of rows that each fold learned from. `assembled` makes the result from the table of folds and that of the
    learning curve.
    """

    predictors: list[Predictor]
    lines: list[Predictor]
    trained_rows: list[int]
    columns: list[dict[str, Any]]
    assembled: Callable[[pd.DataFrame, pd.DataFrame], Trained]
    averages: Sequence[Average] | None = None


Learn = Callable[[Sample, Learned | None, float], Learned]


def train_network(
    table: LargeTable,
    division: Division,
    model_settings: Neural | Averaged,
    fit_settings: Fit,
    engine: Engine,
) -> tuple[Trained, Grown]:
    """Return a network that learned from as many rows as the answer needs, and the looks at its samples.

    The losses of its folds are those on all rows that they test on.
    """

    def learn(some: Sample, earlier: Learned | None, share: float) -> Learned:
        epochs, _ = planned_epochs(some.rows, model_settings, fit_settings)
        found = regressions(some.passes, division, None)
        lines = [Line(each.coefficients, 0.0) for each in (found.best, *(fold.optimum for fold in found.folds))]
        with epochs_shown(f"training on {len(some):,} rows", epochs) as on_epoch:
            if isinstance(model_settings, Averaged):
                return _averaged(some, earlier, share, lines, model_settings, fit_settings, on_epoch, engine)
            return _single(some, lines, model_settings, fit_settings, on_epoch, engine)

    steps, grown = _grown(table, division, fit_settings, learn, engine)
    return _scored(table, division, steps, grown, engine), grown


def _grown(
    table: LargeTable, division: Division, fit_settings: Fit, learn: Learn, engine: Engine
) -> tuple[list[Learned], Grown]:
    growth, planned = fit_settings.growth, sizes(table.rows, fit_settings.growth)
    steps: list[Learned] = []
    looks: list[Look] = []
    with closing(growing(table, division, planned, engine)) as samples:
        for some in samples:
            share = looks[-1].rows / len(some) if looks else 1.0
            steps.append(learn(some, steps[-1] if steps else None, share))
            looks.append(_look(some, steps))
            reason = reason_to_end(looks, planned, table.rows, growth, division.k)
            say(_progress(looks[-1], table.rows))
            if reason is not None:
                return steps, Grown(looks, len(planned), reason)
    raise AssertionError("the last planned sample ends the growth")


def _progress(look: Look, rows: int) -> str:
    gain = 1 - look.network.mean() / look.line.mean()
    fall = "" if look.fall is None else f"; its loss fell by {look.fall:.2%} since the sample before"
    return f"learned from {look.rows:,} of {rows:,} rows: {gain:.2%} better than the line{fall}"


def _look(some: Sample, steps: Sequence[Learned]) -> Look:
    predictors = [steps[-1].predictors, steps[-1].lines, *(each.predictors for each in steps[-2:-1])]
    losses = [np.array([each["loss"] for each in fold_losses(some.rows, some.folds, found)]) for found in predictors]
    return Look(len(some), losses[0], losses[1], losses[2] if len(losses) > 2 else None)


def _scored(table: LargeTable, division: Division, steps: Sequence[Learned], grown: Grown, engine: Engine) -> Trained:
    """Return the last networks with their losses on all rows; of earlier ones two folds make the learning curve."""
    without_features = replace(table, features=(), quadratic_terms=False)
    (counts,) = by_cell(without_features, division, [counting(table.family)], "rows of the folds", engine)
    tests = [counts[division.test_cell(fold)] for fold in range(division.k)]
    trains = division.training_results(counts, counting(table.family).combine)
    curve = list(range(min(LEARNING_FOLDS, division.k)))
    predictors = [
        [each.predictors[fold] for each in (steps if fold in curve else steps[-1:])] for fold in range(division.k)
    ]
    sums = cell_losses(table, division, predictors, [train.prediction for train in trains], engine)
    losses = [of_fold / test.total for of_fold, test in zip(sums, tests, strict=True)]
    last = steps[-1]
    folds = pd.DataFrame(
        [
            {"repeat": division.repeat, "fold": fold, "seed": 0, "rows": tests[fold].rows}
            | {"train_rows": last.trained_rows[fold], **last.columns[fold]}
            | {"loss": losses[fold][-2], "mean_loss": losses[fold][-1]}
            | {"looks": grown.planned, "is_flat": grown.is_flat}
            for fold in range(division.k)
        ]
    )
    learning = [
        (each.trained_rows[fold], fold, 0, losses[fold][number])
        for fold in curve
        for number, each in enumerate(steps[:-1])
    ]
    return last.assembled(folds, pd.DataFrame(learning, columns=["rows", "fold", "seed", "loss"]))


def _averaged(
    some: Sample,
    earlier: Learned | None,
    share: float,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    engine: Engine,
) -> Learned:
    rows, folds = some.rows, some.folds
    before = None if earlier is None else earlier.averages
    train = partial(_averages, some.load, before, share, lines, settings, fit_settings)
    train = train if engine.is_remote else partial(train, on_epoch=on_epoch)
    parts = engine.each(train, engine.shares(1 + len(folds)), f"networks on {len(some):,} rows")
    final, *of_folds = averages = [average for part in parts for average in part]
    candidates = settings.candidates(min(len(rows.labels), CHOICE_ROWS))
    shipped = shipped_average(rows, final)
    summary = weight_summary(shipped, rows, final.members) | {"choice": choice_columns(final)}

    def assembled(table: pd.DataFrame, learning: pd.DataFrame) -> Trained:
        history = member_history_table(final.members)
        fold_history = fold_history_table([member for chosen in of_folds for member in chosen.members])
        return Trained(shipped, history, table, learning, summary, [], fold_history)

    return Learned(
        [Portable(averaged_predictor, (each, len(rows.names), rows.family)) for each in of_folds],
        _line_predictors(rows, lines[1:]),
        [len(fold.train) for fold in folds],
        [
            {"candidates": candidates, **effort_columns(each), **choice_columns(each), "method": "averaged"}
            for each in of_folds
        ],
        assembled,
        averages,
    )


def _averages(
    load: Callable[[], tuple[TrainingTable, list[Fold]]],
    before: Sequence[Average] | None,
    share: float,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    numbers: range,
    on_epoch: fit.OnEpoch = lambda epoch, running, first: None,
) -> list[Average]:
    """Return the averages of some sets of rows: number 0 is that of all rows, the others are folds."""
    rows, folds = load()
    row_sets = [[all_rows(rows), *folds][number] for number in numbers]
    if before is None:
        return average(rows, row_sets, settings, fit_settings, on_epoch, batches=BATCHES)
    part = slice(numbers.start, numbers.stop)
    return average_again(rows, row_sets, before[part], share, lines[part], settings, fit_settings, on_epoch, BATCHES)


def _single(
    some: Sample,
    lines: Sequence[Line],
    settings: Neural,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    engine: Engine,
) -> Learned:
    rows, folds = some.rows, some.folds
    train = partial(_networks, some.load, settings, fit_settings)
    train = train if engine.is_remote else partial(train, on_epoch=on_epoch)
    parts = engine.each(train, engine.shares(1 + len(folds)), f"networks on {len(some):,} rows")
    final, *fitted = [network for part in parts for network in part]
    places = [f"fold {fold.fold} ({len(fold.train)} training rows)" for fold in folds]
    messages = divergences([("the final model", final), *zip(places, fitted, strict=True)])
    shipped = shipped_network(settings, rows, final)
    summary = weight_summary(shipped, rows, [final])

    def assembled(table: pd.DataFrame, learning: pd.DataFrame) -> Trained:
        history = history_table(final, has_validation=True)
        return Trained(shipped, history, table, learning, summary, messages, fold_history_table(fitted))

    return Learned(
        [Portable(network_predictor, (settings, each, len(rows.names), rows.family)) for each in fitted],
        _line_predictors(rows, lines[1:]),
        [len(fold.train) for fold in folds],
        [{"epochs": len(each.losses), "steps": each.steps, "method": "network"} for each in fitted],
        assembled,
    )


def _networks(
    load: Callable[[], tuple[TrainingTable, list[Fold]]],
    settings: Neural,
    fit_settings: Fit,
    numbers: range,
    on_epoch: fit.OnEpoch = lambda epoch, running, first: None,
) -> list[fit.Fitted]:
    rows, folds = load()
    row_sets = [[all_rows(rows), *folds][number] for number in numbers]
    return fitted_networks(rows, row_sets, [1] * len(row_sets), settings, fit_settings, on_epoch)[1]


def _line_predictors(rows: TrainingTable, lines: Sequence[Line]) -> list[Predictor]:
    return [regression_predictor(line, rows.family) for line in lines]
