"""What the winner of a sweep is worth: its verdict on folds, and its loss on rows, that no config was chosen on."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from straightline.comparison.evidence import ledger
from straightline.comparison.verdict import Comparison, decide
from straightline.config.settings import Config
from straightline.data.training_table import TrainingTable
from straightline.families.scores import mean_loss
from straightline.models.regression import Regression
from straightline.training import fit
from straightline.training.plan import descent_settings, fold_plan
from straightline.training.records import Trained
from straightline.training.variants import train


def verdict(
    table: TrainingTable,
    config: Config,
    model: str,
    tried: int,
    shown: Callable[[str, int], AbstractContextManager[fit.OnEpoch]],
) -> tuple[dict[str, Any], Mapping[str, Trained]]:
    """Compare `model` with the regression on fresh folds (`folds.seed` + 1), as the pipeline would on its own.

    `tried` is the number of configs that it was selected from, which the ledger has. `shown` makes a callback for a
    model's training from a title and the number of epochs. Returns the verdict, and both models as they would ship.
    """
    baseline = regression(config)
    fresh = replace(config.folds, seed=(config.folds.seed + 1) % 2**32)
    fitted = {}
    for name in (baseline, model):
        settings = config.models[name]
        folds = fold_plan(table, settings, config.fit, fresh)
        with shown(f"{name} on fresh folds", descent_settings(table, settings, config.fit).epochs) as on_epoch:
            fitted[name] = train(table, settings, config.fit, folds, on_epoch)
    means = {name: one.folds.groupby(["repeat", "fold"])["loss"].mean().to_numpy() for name, one in fitted.items()}
    own = fitted[baseline].folds
    ratio = float((own["rows"] / own["train_rows"]).mean()) if table.ordered else None
    comparison = Comparison(means[baseline], means[model], fresh.k, ratio)
    margin, confidence, rows = config.verdict.margin, config.verdict.confidence, len(table.labels)
    decision = decide({model: comparison}, float(own["mean_loss"].mean()), margin, confidence, rows)
    found = {
        "selected_from": tried,
        "words": f"{model} is selected from {tried:,} configs on these rows",
        "baseline": baseline,
        "folds_seed": fresh.seed,
        "margin": margin,
        "confidence": confidence,
        "losses": {name: float(values.mean()) for name, values in means.items()},
        **{key: decision[key] for key in ("answer", "challenger", "finding", "relative_gain")},
        "relative_gain_interval": decision["relative_gain_interval"],
        "challengers": decision["challengers"],
        "advice": decision["advice"],
        "ledger": {name: ledger(one.folds, tried if name == model else 1) for name, one in fitted.items()},
    }
    return found, fitted


def regression(config: Config) -> str:
    """Return the name of the straight line that networks are compared with."""
    return next(name for name, one in config.models.items() if isinstance(one, Regression) and one.terms == "linear")


def held_out(fitted: Mapping[str, Trained], features: NDArray, labels: NDArray, task: str) -> dict[str, float]:
    """Return each model's loss on rows that nothing was trained or chosen on; nothing where there are none."""
    if not len(labels):
        return {}
    predicted = {name: keras.ops.convert_to_numpy(one.model(features))[:, 0] for name, one in fitted.items()}
    return {name: mean_loss(labels, of.astype(np.float64), task) for name, of in predicted.items()}
