"""The losses of many configs of a network in few stacks: those that differ in rate, penalty or seed share one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Config, Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models.neural import Neural
from straightline.regression import exact
from straightline.training import fit
from straightline.training.batches import Replica
from straightline.training.plan import descent_settings
from straightline.training.predictors import network_predictors, stacked_predictions
from straightline.training.scoring import fold_losses
from straightline.training.variants import fold_replicas

OnProgress = Callable[[str], None]  # is told in words how far a batch is

REPLICA_EPOCHS = 2**24  # that are trained at once: their losses take 16 bytes each
SIZES = (1, 2, 4, 8, 16, 24, fit.LANES)  # of stacks, since batches have other numbers of configs of a shape each


@dataclass(frozen=True)
class Scored:
    """What a config came to: its loss in each fold, the mean over seeds, `(folds,)`, or why there is none."""

    losses: NDArray | None
    epochs: int
    steps: int
    reason: str | None = None


class Trainer:
    """Trains configs of one network on the folds of one table; a network's shape is compiled once."""

    slots = 1  # batches that are trained at the same time

    def __init__(self, table: TrainingTable, model: str, parts: Sequence[Fold], seeds: int) -> None:
        self._table = table
        self._model = model
        self._parts = parts
        self._seeds = seeds
        self._built: dict[str, tuple[keras.Model, keras.Model]] = {}  # one that descends, one that predicts
        self._divided: dict[tuple[int, float], list[Replica]] = {}
        self._lines: list[NDArray] | None = None

    def fits(self) -> int:
        """Return the number of fits of a config."""
        return len(self._parts) * self._seeds

    def batch_size(self, config: Config) -> int:
        """Return how many configs like this one are trained at once."""
        epochs = descent_settings(self._table, self._network(config), config.fit).epochs
        return max(1, REPLICA_EPOCHS // (self.fits() * epochs))

    def scored(self, configs: Sequence[Config], on_progress: OnProgress = lambda now: None) -> list[Scored]:
        """Return what each of `configs` comes to, in their order, whichever others there are."""
        found: dict[int, Scored] = {}
        for shape, numbers in self.stacks(configs).items():
            own = self._stack(shape, [configs[number] for number in numbers], on_progress)
            found |= dict(zip(numbers, own, strict=True))
        return [found[number] for number in range(len(configs))]

    def stacks(self, configs: Sequence[Config]) -> dict[str, list[int]]:
        """Return the numbers of those of `configs` that train as one stack, by what they have in common."""
        stacks: dict[str, list[int]] = {}
        for number, config in enumerate(configs):
            stacks.setdefault(self._shape(config), []).append(number)
        return stacks

    def _network(self, config: Config) -> Neural:
        settings = config.models[self._model]
        assert isinstance(settings, Neural)
        return settings

    def _common(self, config: Config) -> Neural:
        return replace(self._network(config), learning_rate=1.0, l2=0.0)

    def _shape(self, config: Config) -> str:
        """Return all that configs of one stack have in common."""
        return json.dumps([asdict(self._common(config)), asdict(replace(config.fit, seed=0))], sort_keys=True)

    def _stack(self, shape: str, configs: Sequence[Config], on_progress: OnProgress) -> list[Scored]:
        # Rates and penalties are the replicas' own, so that all batches of a shape run the same program.
        settings, how, table = self._common(configs[0]), configs[0].fit, self._table
        if shape not in self._built:
            linear, predicting = (
                settings.build(len(table.names), activation, how.dtype)
                for activation in ("linear", table.family.activation)
            )
            self._built[shape] = linear, predicting
        model, predicting = self._built[shape]
        replicas = [one for config in configs for one in self._replicas(self._network(config), config.fit)]
        descent = descent_settings(table, settings, how)
        fitted = fit.fit(
            model, table.source, replicas, descent, lambda epoch, running, first: on_progress(f"epoch {epoch}"), SIZES
        )
        parts = [part for _ in configs for part in self._parts for _ in range(self._seeds)]
        losses = (
            self._losses(predicting, fitted, parts).reshape(len(configs), len(self._parts), self._seeds).mean(axis=2)
        )
        each = [fitted[first : first + self.fits()] for first in range(0, len(fitted), self.fits())]
        return [_scored(own, of) for own, of in zip(losses, each, strict=True)]

    def _replicas(self, settings: Neural, how: Fit) -> list[Replica]:
        if (how.seed, how.validation) not in self._divided:
            self._divided[how.seed, how.validation] = [
                one for part in self._parts for one in fold_replicas(self._table, part, self._seeds, how)
            ]
        lines = self._regressions() if settings.from_regression else [None] * len(self._parts)
        own = zip(self._divided[how.seed, how.validation], np.repeat(np.arange(len(lines)), self._seeds), strict=True)
        rate, l2 = settings.learning_rate, settings.l2
        return [replace(one, line=lines[fold], learning_rate=rate, l2=l2) for one, fold in own]

    def _regressions(self) -> list[NDArray]:
        if self._lines is None:
            table, trains = self._table, [part.train for part in self._parts]
            fitted = exact.optima(table.source, trains, table.family, table.names, inference=False)
            self._lines = [one.coefficients for one in fitted]
        return self._lines

    def _losses(self, model: keras.Model, fitted: Sequence[fit.Fitted], parts: Sequence[Fold]) -> NDArray:
        table = self._table
        if len(table.source.groups) > 1:
            return np.array([one["loss"] for one in fold_losses(table, parts, network_predictors(model, fitted))])
        rows = table.source.read(table.source.groups)
        predictions = stacked_predictions(model, fitted, [rows.features[part.test] for part in parts])
        pairs = zip(parts, predictions, strict=True)
        return np.array([table.family.mean_loss(rows.labels[part.test], found) for part, found in pairs])


def _scored(losses: NDArray, fitted: Sequence[fit.Fitted]) -> Scored:
    epochs, steps = sum(len(one.losses) for one in fitted), sum(one.steps for one in fitted)
    hopeless = sum(1 for one in fitted if one.diverged and not one.best_epoch and not one.frozen)
    if hopeless:
        reason = f"diverged: in {hopeless} of {len(fitted)} fits the loss is not finite in the first epoch"
        return Scored(None, epochs, steps, reason)
    if not np.isfinite(losses).all():
        return Scored(None, epochs, steps, "its loss on a fold's held-out rows is not finite")
    return Scored(losses, epochs, steps)
