"""What networks learn from one sample of a large table: from all its rows, and from the training rows of each fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.large.passes import Engine, Result
from straightline.large.portable import Portable, network_predictor
from straightline.large.samples import Sample
from straightline.models import Averaged, Neural
from straightline.regression.ridge import Line
from straightline.training import fit
from straightline.training.averaged_variant import choice_columns, effort_columns, shipped_average
from straightline.training.averaging import Average, average, average_again, averaged_predictor
from straightline.training.fitted import divergences
from straightline.training.members import Batches
from straightline.training.plan import CHOICE_ROWS, all_rows
from straightline.training.predictors import shipped_network
from straightline.training.records import (
    Trained,
    fold_history_table,
    history_table,
    member_history_table,
    weight_summary,
)
from straightline.training.scoring import Predictor, regression_predictor
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


def averaged(
    some: Sample,
    earlier: Learned | None,
    share: float,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    engine: Engine,
) -> Learned:
    """Return averaged networks that learned from a sample, with what was chosen for the `earlier` one if there is one.

    `share` is the number of the earlier rows divided by that of the rows now, and `lines` are the straight lines of all
    rows of the sample and of its folds.
    """
    rows, folds = some.rows, some.folds
    before = None if earlier is None else earlier.averages
    train = partial(_averages, some.load, before, share, lines, settings, fit_settings)
    final, *of_folds = averages = _each(some, train, on_epoch, engine)
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


def single(
    some: Sample,
    lines: Sequence[Line],
    settings: Neural,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    engine: Engine,
) -> Learned:
    """Return networks of fixed settings that learned from a sample, for the arguments of `averaged`."""
    rows, folds = some.rows, some.folds
    train = partial(_networks, some.load, settings, fit_settings)
    final, *fitted = _each(some, train, on_epoch, engine)
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


def _each(some: Sample, train: Callable[..., list[Result]], on_epoch: fit.OnEpoch, engine: Engine) -> list[Result]:
    """Return the results of `train` for all rows of a sample and for each fold; tasks elsewhere tell no epochs."""
    train = train if engine.is_remote else partial(train, on_epoch=on_epoch)
    parts = engine.each(train, engine.shares(1 + len(some.folds)), f"networks on {len(some):,} rows")
    return [result for part in parts for result in part]


def _line_predictors(rows: TrainingTable, lines: Sequence[Line]) -> list[Predictor]:
    return [regression_predictor(line, rows.family) for line in lines]
