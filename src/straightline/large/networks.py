"""Networks on a large table: they learn from growing samples, and are scored on all rows that their folds test on."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd

from straightline.config.settings import Fit
from straightline.large.counts import counting
from straightline.large.division import Division
from straightline.large.growth import Grown, Look, reason_to_end, sizes
from straightline.large.learned import Learned, averaged, single
from straightline.large.passes import Engine, by_cell
from straightline.large.regressions import regressions
from straightline.large.samples import Sample, growing
from straightline.large.scoring import cell_losses
from straightline.large.table import LargeTable
from straightline.models import Averaged, Neural
from straightline.regression.ridge import Line
from straightline.runtime.terminal import say
from straightline.training.plan import LEARNING_FOLDS
from straightline.training.plan import planned as planned_epochs
from straightline.training.progress import epochs_shown
from straightline.training.records import Trained
from straightline.training.scoring import fold_losses

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
                return averaged(some, earlier, share, lines, model_settings, fit_settings, on_epoch, engine)
            return single(some, lines, model_settings, fit_settings, on_epoch, engine)

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
    tests = [counts[division.test_cell(fold)] for fold in division.folds]
    trains = division.training_results(counts, counting(table.family).combine)
    curve = division.folds[:LEARNING_FOLDS]
    predictors = [
        [each.predictors[fold] for each in (steps if fold in curve else steps[-1:])] for fold in division.folds
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
            for fold in division.folds
        ]
    )
    learning = [
        (each.trained_rows[fold], fold, 0, losses[fold][number])
        for fold in curve
        for number, each in enumerate(steps[:-1])
    ]
    return last.assembled(folds, pd.DataFrame(learning, columns=["rows", "fold", "seed", "loss"]))
