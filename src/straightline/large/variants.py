"""Training of a variant on a large table: a regression on all rows, or a network on as many as the answer needs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from straightline.comparison.sampling import evenly
from straightline.config.settings import Fit
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.large.division import Division
from straightline.large.networks import train_network
from straightline.large.passes import THREADED, Engine, joined_blocks
from straightline.large.regressions import Lines, regressions
from straightline.large.samples import in_memory
from straightline.large.table import LargeTable
from straightline.models import Model, Regression
from straightline.regression import exact
from straightline.regression.certification import certify, fold_messages
from straightline.regression.coefficients import coefficient_table
from straightline.regression.optimum import Inference
from straightline.training import fit
from straightline.training.batches import Replica
from straightline.training.fitted import divergences
from straightline.training.plan import all_rows, descent_settings
from straightline.training.predictors import raw_coefficients, shipped_regression
from straightline.training.progress import epochs_shown
from straightline.training.records import Trained, history_table, weight_summary
from straightline.training.regression_variant import CONFIDENCE

DESCENT_ROWS = 100_000  # Gradient descent of a regression, which its certificate checks, has so many rows.


def train_large(
    table: LargeTable,
    settings: Model,
    fit_settings: Fit,
    division: Division,
    engine: Engine = THREADED,
) -> Trained:
    """Fit the variant to `table`, and to the training rows of the folds of `division`.

    Raises UserError if a fold has no row to train or to test on, and for settings that a large table does not allow.
    """
    if isinstance(settings, Regression):
        return _train_regression(table, division, settings, fit_settings, engine)
    trained, grown = train_network(table, division, settings, fit_settings, engine)
    looks = [
        {"rows": look.rows, "loss": float(look.network.mean()), "line_loss": float(look.line.mean()), "fall": look.fall}
        for look in grown.looks
    ]
    growth = {"rows": table.rows, "looks": looks, "planned": grown.planned, "reason": grown.reason}
    return replace(trained, weights=trained.weights | {"growth": growth})


def _train_regression(
    table: LargeTable,
    division: Division,
    settings: Regression,
    fit_settings: Fit,
    engine: Engine,
) -> Trained:
    if settings.l2:
        raise UserError(
            f"models: l2 is {settings.l2:g} for a regression on {table.rows:,} rows, expected null or 0: so many rows "
            "need no penalty; leave it out"
        )
    raw_table = table
    table = table.quadratic() if settings.terms == "quadratic" else table
    lines = regressions(
        table,
        division,
        Inference(settings.robust, settings.quasi, table.sampling),
        settings.intercept,
        engine,
    )
    best = lines.best
    rows = _descent_rows(table)
    whole = all_rows(rows)
    model = replace(settings, terms="linear").build(
        len(table.names), table.family.outputs, "linear", fit_settings.dtype
    )
    descent = descent_settings(rows, settings, fit_settings)
    replica = Replica(whole.train, whole.test, fit_settings.seed)
    with epochs_shown(f"gradient descent on {len(rows.labels):,} rows", descent.epochs) as on_epoch:
        (descended,) = fit.fit(model, rows.source, [replica], descent, on_epoch)
    (of_sample,) = exact.optima(
        rows.source, [whole.train], table.family, table.names, best, None, settings.intercept, table.target.classes
    )
    coefficients = raw_coefficients(descended)
    messages_of_folds = fold_messages([line.optimum for line in lines.folds], best.messages)
    certificate = certify(rows, of_sample, messages_of_folds, coefficients)
    shipped = shipped_regression(
        settings, replace(rows, names=raw_table.names), coefficients if settings.finish == "none" else best.coefficients
    )
    return Trained(
        model=shipped,
        history=history_table(descended, has_validation=False),
        folds=pd.DataFrame([_fold(division, fold, lines) for fold in division.folds]),
        learning=pd.DataFrame(columns=["rows", "fold", "seed", "loss"]),
        weights=weight_summary(shipped, rows, [descended]) | {"l2": 0.0},
        messages=[*divergences([("the final model", descended)]), *best.messages, *messages_of_folds],
        coefficients=coefficient_table(best, table.names, coefficients, CONFIDENCE, table.predictor_classes),
        certificate=replace(
            certificate,
            method=best.method,
            condition_number=best.condition_number if np.isfinite(best.condition_number) else None,
            standard_errors=best.errors,
            dispersion=best.dispersion if table.family.has_offset else None,
            messages=best.messages,
        ),
    )


def _fold(division: Division, fold: int, lines: Lines) -> dict[str, Any]:
    line = lines.folds[fold]
    return {
        "repeat": division.repeat,
        "fold": fold,
        "seed": 0,
        "rows": line.test.rows,
        "train_rows": line.train.rows,
        "epochs": 0,
        "steps": 0,
        "method": line.optimum.method,
        "l2": 0.0,
        "loss": line.loss,
        "mean_loss": line.mean_loss,
        "plain_loss": line.loss,
    }


def _descent_rows(table: LargeTable) -> TrainingTable:
    """Return evenly spaced leaves of the table, of DESCENT_ROWS rows or somewhat more, in memory."""
    leaves = table.leaves
    largest = table.rows / len(leaves)
    chosen = evenly(len(leaves), int(np.ceil(DESCENT_ROWS / largest)))
    block = joined_blocks([table.read(leaves[number]) for number in chosen])
    return in_memory(table, held(block.rows), block)
