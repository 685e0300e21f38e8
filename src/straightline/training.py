"""What the train stage computes: a variant's final model, its folds, and its learning curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from straightline import exact, fit
from straightline.batches import Replica
from straightline.config import Fit, Folds
from straightline.folds import Fold, repeated_folds, set_aside
from straightline.models import Model
from straightline.models.neural import Neural
from straightline.models.regression import Regression
from straightline.scores import mean_loss

LOSSES = {"continuous": "mean_squared_error", "binary": "binary_crossentropy"}
ACTIVATIONS = {"continuous": "linear", "binary": "sigmoid"}
CONFIDENCE = 0.95  # of the coefficients' intervals
CONVERGED = 1e-3  # a descent has converged when its loss exceeds the optimum by less than this share of it
LEARNING_SHARES = (1 / 8, 1 / 4, 1 / 2)
LEARNING_FOLDS = 2


@dataclass(frozen=True)
class Table:
    """Training rows: `features` `(rows, columns)` with `names`, `labels` `(rows,)` (0 and 1 where `task` is binary)."""

    features: NDArray
    labels: NDArray
    names: Sequence[str]
    task: str
    standardize: bool

    @property
    def classes(self) -> NDArray | None:
        """The labels as classes to stratify by, or None."""
        return self.labels.astype(np.int64) if self.task == "binary" else None


@dataclass(frozen=True)
class Trained:
    """A variant: the model to ship (raw float64 columns to predictions) and the tables about it.

    `coefficients` and `certificate` are a regression's, else None.
    """

    model: keras.Model
    history: pd.DataFrame
    folds: pd.DataFrame
    learning: pd.DataFrame
    weights: dict[str, Any]
    coefficients: pd.DataFrame | None = None
    certificate: dict[str, Any] | None = None


def train(table: Table, settings: Model, how: Fit, folds: Folds, on_epoch: fit.OnEpoch) -> Trained:
    """Fit the variant `settings` on all rows of `table`, on every training fold, and on shares of some.

    Raises UserError where the rows are too few for the folds or a descent diverges.
    """
    parts = repeated_folds(len(table.labels), folds.k, folds.repeats, folds.seed, table.classes)
    subsets = _learning_subsets(table, parts, folds.seed)
    if isinstance(settings, Regression):
        return _train_regression(table, settings, how, parts, subsets, on_epoch)
    return _train_network(table, settings, how, folds.seeds, parts, subsets, on_epoch)


def descent_settings(table: Table, settings: Model, how: Fit) -> fit.Settings:
    """Return how `settings` descends on `table`, with the number of epochs that its rows ask for."""
    rows = len(table.labels)
    kept = rows if isinstance(settings, Regression) else rows - round(rows * how.validation)
    steps = -(-kept // how.batch_size)
    epochs = how.epochs or int(np.clip(50_000 // steps, 20, 1000))
    return fit.Settings(
        loss=LOSSES[table.task],
        optimizer=how.optimizer,
        learning_rate=settings.learning_rate,
        schedule=settings.schedule,
        l2=settings.l2,
        batch_size=how.batch_size,
        steps=steps,
        epochs=epochs,
        patience=how.patience or max(5, epochs // 10),
        standardize=table.standardize,
    )


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
    best = exact.optimum(table.features, table.labels, table.task, table.names)
    trained = _raw_coefficients(reached)
    shipped = settings.build(len(table.names), ACTIVATIONS[table.task], "float64")
    coefficients = best.coefficients if settings.finish == "exact" else trained
    shipped.set_weights([coefficients[1:, np.newaxis], coefficients[:1]])

    def rows_of(part: Fold) -> dict[str, Any]:
        own = exact.optimum(table.features[part.train], table.labels[part.train], table.task, table.names)
        prediction = _predict(own, table.features[part.test], table.task)
        return {"epochs": 0, "steps": 0, "method": own.method} | _losses(table, part, prediction)

    return Trained(
        model=shipped,
        history=_history(reached, has_validation=False),
        folds=pd.DataFrame([_place(part, 0) | rows_of(part) for part in parts]),
        learning=_learning(subsets, [rows_of(part)["loss"] for part in subsets]),
        weights=_weights(shipped, table, reached),
        coefficients=exact.coefficient_table(best, table.names, trained, CONFIDENCE),
        certificate=_certificate(table, best, trained),
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
    replicas = [_replica(table, part, seed, how, place) for place, (part, seed) in enumerate(jobs)]
    model = settings.build(len(table.names), ACTIVATIONS[table.task])
    final, *fitted = fit.fit(
        model, table.features, table.labels, replicas, descent_settings(table, settings, how), on_epoch
    )

    def rows_of(part: Fold, one: fit.Fitted) -> dict[str, Any]:
        ran = {"epochs": len(one.losses), "steps": one.steps, "method": "network"}
        return ran | _losses(table, part, _predict_network(model, one, table.features[part.test]))

    shipped = _shipped_network(settings, table, final)
    scored = [_place(part, seed) | rows_of(part, one) for (part, seed), one in zip(seeded, fitted, strict=False)]
    return Trained(
        model=shipped,
        history=_history(final, has_validation=True),
        folds=pd.DataFrame(scored),
        learning=_learning(
            subsets,
            [rows_of(part, one)["loss"] for part, one in zip(subsets, fitted[len(seeded) :], strict=True)],
        ),
        weights=_weights(shipped, table, final),
    )


def _replica(table: Table, part: Fold, seed: int, how: Fit, place: int) -> Replica:
    # The validation rows are the same for every seed of a fold, so that seeds differ in initialisation and order only.
    own = int(np.random.SeedSequence([how.seed, part.repeat + 1, part.fold]).generate_state(1)[0])
    strata = None if table.classes is None else table.classes[part.train]
    kept, aside = set_aside(part.train, how.validation, own, strata)
    drawn = np.random.SeedSequence([how.seed, part.repeat + 1, part.fold, seed, len(part.train)])
    return Replica(kept, aside, int(drawn.generate_state(1)[0]))


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


def _place(part: Fold, seed: int) -> dict[str, int]:
    return {
        "repeat": part.repeat,
        "fold": part.fold,
        "seed": seed,
        "rows": len(part.test),
        "train_rows": len(part.train),
    }


def _losses(table: Table, part: Fold, prediction: NDArray) -> dict[str, float]:
    truth = table.labels[part.test]
    mean = np.full(len(truth), table.labels[part.train].mean())
    return {"loss": mean_loss(truth, prediction, table.task), "mean_loss": mean_loss(truth, mean, table.task)}


def _learning(subsets: list[Fold], losses: list[float]) -> pd.DataFrame:
    rows = [(len(part.train), part.fold, 0, loss) for part, loss in zip(subsets, losses, strict=True)]
    return pd.DataFrame(rows, columns=["rows", "fold", "seed", "loss"])


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


def _history(fitted: fit.Fitted, has_validation: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "epoch": np.arange(1, len(fitted.losses) + 1),
            "loss": fitted.losses,
            "val_loss": fitted.monitored if has_validation else np.nan,
        }
    )


def _weights(model: keras.Model, table: Table, fitted: fit.Fitted) -> dict[str, Any]:
    return {
        "features": list(table.names),
        "parameters": int(sum(np.size(variable) for variable in model.trainable_variables)),
        "epochs": len(fitted.losses),
        "best_epoch": fitted.best_epoch,
        "steps": fitted.steps,
        "layers": [
            {"name": layer.name, "kernel": layer.kernel.numpy().tolist(), "bias": layer.bias.numpy().tolist()}
            for layer in model.layers
            if isinstance(layer, keras.layers.Dense)
        ],
    }


def _certificate(table: Table, best: exact.Optimum, trained: NDArray) -> dict[str, Any]:
    reached = exact.mean_loss(trained[0] + table.features @ trained[1:], table.labels, table.task)
    gap = reached - best.loss
    condition = best.condition_number
    return {
        "loss": LOSSES[table.task],
        "method": best.method,
        "rows": len(table.labels),
        "descent_loss": reached,
        "exact_loss": best.loss,
        "gap": gap,
        "tolerance": CONVERGED,
        "converged": bool(gap <= CONVERGED * best.loss),
        "condition_number": condition if np.isfinite(condition) else None,
        "messages": best.messages,
    }
