"""The fold losses of the networks of many simulated tables, which are trained together on the joined rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.rows import joined
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.models import Averaged, Neural
from straightline.training import fit
from straightline.training.averaging import average, averaged_predictors
from straightline.training.batches import Replica
from straightline.training.networks import built
from straightline.training.plan import descent_settings
from straightline.training.predictors import stacked_predictions
from straightline.training.scoring import fold_losses
from straightline.training.variants import fold_replicas, from_regressions

Drawn = Sequence[tuple[TrainingTable, list[Fold]]]  # tables of the same size, each with its folds


def network_losses(
    drawn: Drawn,
    settings: Neural | Averaged,
    fit_settings: Fit,
    seeds: int,
    on_epoch: fit.OnEpoch,
) -> NDArray:
    """Return the loss of the network in each fold of each table, `(tables, folds)`."""
    table = _joined_table(drawn)
    rows = len(drawn[0][0].labels)
    if isinstance(settings, Averaged):
        return _averaged(table, _shifted(drawn, rows), settings, fit_settings, on_epoch, rows).reshape(len(drawn), -1)
    return _single(table, drawn, settings, fit_settings, seeds, on_epoch)


def _joined_table(drawn: Drawn) -> TrainingTable:
    rows = joined([table.source.read(table.source.groups) for table, _ in drawn])
    return replace(drawn[0][0], source=held(rows), labels=rows.labels)


def _shifted(drawn: Drawn, rows: int) -> list[Fold]:
    """Return the folds of all tables, with row numbers of the joined rows."""
    return [
        replace(part, train=part.train + np.int32(number * rows), test=part.test + np.int32(number * rows))
        for number, (_, parts) in enumerate(drawn)
        for part in parts
    ]


def _averaged(
    table: TrainingTable,
    parts: Sequence[Fold],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    rows: int,
) -> NDArray:
    averages = average(table, parts, settings, fit_settings, on_epoch, rows)
    return np.array([loss["loss"] for loss in fold_losses(table, parts, averaged_predictors(table, averages))])


def _single(
    table: TrainingTable,
    drawn: Drawn,
    settings: Neural,
    fit_settings: Fit,
    seeds: int,
    on_epoch: fit.OnEpoch,
) -> NDArray:
    rows = len(drawn[0][0].labels)
    replicas: list[Replica] = []
    tests: list[NDArray] = []
    planned: dict[int, list[Replica]] = {}  # by fold, since tables may share their folds
    for number, (single_table, parts) in enumerate(drawn):
        shift = np.int32(number * rows)  # of the table's row numbers among all rows
        for part in parts:
            if id(part) not in planned:
                planned[id(part)] = fold_replicas(single_table, part, seeds, fit_settings)
            first, *_ = planned[id(part)]
            train, validation = first.train + shift, first.validation + shift  # They are the same for all seeds.
            replicas += [replace(replica, train=train, validation=validation) for replica in planned[id(part)]]
            tests += [part.test + shift] * seeds
    if settings.from_regression:
        replicas = from_regressions(table, replicas)
    descent = descent_settings(drawn[0][0], settings, fit_settings)
    model = built(settings, len(table.names), table.family.outputs, fit_settings.dtype)
    fitted = fit.fit(model, table.source, replicas, descent, on_epoch)
    rows_of_all = table.source.read(table.source.groups)
    tested = [rows_of_all.take(test) for test in tests]
    predictions = stacked_predictions(model, fitted, [test.features for test in tested], table.family)
    losses = [test.mean_loss(table.family, predicted) for test, predicted in zip(tested, predictions, strict=True)]
    return np.reshape(losses, (len(drawn), -1, seeds)).mean(axis=2)
