"""Training of a variant that is a regression: solved exactly, and shrunk where ridge is clearly better.

It also descends once, so that its certificate can compare the descent with the exact solution. Coefficients, standard
errors and certificate are those of the plain regression.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models import Regression
from straightline.regression import exact
from straightline.regression.certification import certify, fold_messages
from straightline.regression.coefficients import coefficient_table
from straightline.regression.optimum import Inference, Optimum
from straightline.training import fit
from straightline.training.batches import Replica
from straightline.training.fitted import divergences
from straightline.training.lines import fitted_lines, penalties
from straightline.training.plan import all_rows, descent_settings
from straightline.training.predictors import raw_coefficients, shipped_regression
from straightline.training.records import Trained, fold_place, history_table, learning_table, weight_summary
from straightline.training.scoring import fold_losses, regression_predictor

CONFIDENCE = 0.95  # confidence level of the intervals of the coefficients


def train_regression(
    table: TrainingTable,
    model_settings: Regression,
    fit_settings: Fit,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    """Solve the regression on all rows of `table`, on the training rows of the folds `parts`, and on `subsets`."""
    raw_table = table
    if model_settings.terms == "quadratic":
        table = table.quadratic()
    model = replace(model_settings, terms="linear").build(
        len(table.names), table.family.outputs, "linear", fit_settings.dtype
    )
    whole = all_rows(table)
    replica = Replica(whole.train, whole.test, fit_settings.seed)
    (descended,) = fit.fit(
        model, table.source, [replica], descent_settings(table, model_settings, fit_settings), on_epoch
    )
    messages = divergences([("the final model", descended)])
    (best,) = exact.optima(
        table.source,
        [whole.train],
        table.family,
        table.names,
        inference=Inference(model_settings.robust, model_settings.quasi, table.sampling),
        classes=table.classes,
        intercept=model_settings.intercept,
    )
    final_penalty, *fold_penalties = penalties(table, [whole, *parts, *subsets], model_settings, fit_settings.seed)
    fitted = regression_fits(table, [*parts, *subsets], fold_penalties, best)
    messages_of_folds = fold_messages([fold.plain for fold in fitted[: len(parts)]], best.messages)
    descended_coefficients = raw_coefficients(descended)
    if model_settings.finish == "none":
        final_penalty, shipped_coefficients = 0.0, descended_coefficients
    elif final_penalty:
        (line,) = fitted_lines(table, [whole.train], [final_penalty], model_settings.intercept)
        shipped_coefficients = line.coefficients
    else:
        shipped_coefficients = best.coefficients
    shipped = shipped_regression(model_settings, raw_table, shipped_coefficients)
    return Trained(
        model=shipped,
        history=history_table(descended, has_validation=False),
        folds=pd.DataFrame(
            [
                {**fold_place(part, 0), "epochs": 0, "steps": 0, "method": fold.method, "l2": fold.penalty}
                | {**fold.losses, "plain_loss": fold.plain_loss}
                for part, fold in zip(parts, fitted, strict=False)
            ]
        ),
        learning=learning_table(subsets, [fold.losses["loss"] for fold in fitted[len(parts) :]]),
        weights=weight_summary(shipped, table, [descended]) | {"l2": final_penalty},
        coefficients=coefficient_table(best, table.names, descended_coefficients, CONFIDENCE, table.predictor_classes),
        certificate=certify(table, best, messages_of_folds, descended_coefficients),
        messages=[*messages, *best.messages, *messages_of_folds],
    )


@dataclass(frozen=True)
class RegressionFit:
    """The regression on the training rows of a fold: its `penalty`, and its losses as `fold_losses` returns them.

    `plain` is the regression without a penalty, and `plain_loss` its loss on the fold.
    """

    plain: Optimum
    penalty: float
    losses: dict[str, float]
    plain_loss: float

    @property
    def method(self) -> str:
        """How the coefficients were found: `exact`, `firth` or `ridge`."""
        return "ridge" if self.penalty else self.plain.method


def regression_fits(
    table: TrainingTable, parts: Sequence[Fold], fold_penalties: Sequence[float], best: Optimum
) -> list[RegressionFit]:
    """Return the regression on each fold's training rows, with the penalties that `lines.penalties` returns.

    `best` is the plain regression on all rows, where the search for each optimum starts.
    """
    trains = [part.train for part in parts]
    optima = exact.optima(
        table.source,
        trains,
        table.family,
        table.names,
        best,
        inference=None,
        intercept=best.intercept,
        classes=table.classes,
    )
    losses = fold_losses(table, parts, [regression_predictor(optimum, table.family) for optimum in optima])
    found = [RegressionFit(optimum, 0.0, loss, loss["loss"]) for optimum, loss in zip(optima, losses, strict=True)]
    shrunk = [number for number, penalty in enumerate(fold_penalties) if penalty]
    shrunk_parts, shrunk_penalties = [parts[each] for each in shrunk], [fold_penalties[each] for each in shrunk]
    lines = fitted_lines(table, [part.train for part in shrunk_parts], shrunk_penalties, best.intercept)
    shrunk_losses = fold_losses(table, shrunk_parts, [regression_predictor(line, table.family) for line in lines])
    for number, penalty, loss in zip(shrunk, shrunk_penalties, shrunk_losses, strict=True):
        found[number] = replace(found[number], penalty=penalty, losses=loss)
    return found
