"""Trains many configs of a network in few fits of many replicas.

Configs that differ only in learning rate, L2 penalty or seed are trained together by one call of `fit.fit`, since these
values may differ between the replicas of a stack. Configs of another shape, for example with other hidden layers, need
another program. Configs of an averaged network are trained one after the other: each has many replicas itself.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Config, Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.models import Averaged, Neural
from straightline.training import fit
from straightline.training.averaging import average, averaged_predictors
from straightline.training.batches import Replica
from straightline.training.networks import built
from straightline.training.plan import descent_settings
from straightline.training.predictors import network_predictors, stacked_predictions
from straightline.training.scoring import fold_losses
from straightline.training.variants import fold_replicas, from_regressions

OnProgress = Callable[[str], None]  # receives a message on the progress of a batch

REPLICA_EPOCHS = 2**24  # most epochs, summed over replicas, of one fit: the losses of each take 16 bytes
SIZES = (1, 2, 4, 8, 16, 24, fit.LANES)  # stack sizes: few, since the number of configs of a shape varies by batch


@dataclass(frozen=True)
class Scored:
    """The result of a config: `losses` `(folds,)`, means over seeds, or None and the `reason` why there are none.

    `epochs` and `steps` are sums over all fits of the config.
    """

    losses: NDArray | None
    epochs: int
    steps: int
    reason: str | None = None


class Trainer:
    """Trains configs of one network on the folds `parts` of one table; each shape of the network is compiled once."""

    slots = 1  # batches that can be trained at the same time

    def __init__(self, table: TrainingTable, model: str, parts: Sequence[Fold], seeds: int) -> None:
        self._table = table
        self._model = model
        self._parts = parts
        self._seeds = seeds
        self._divided: dict[tuple[int, float], list[Replica]] = {}  # by seed and validation share
        self._started: dict[tuple[int, float], list[Replica]] = {}  # the same, from their regressions

    def fits(self) -> int:
        """Return the number of fits of each config of a single network: folds times seeds."""
        return len(self._parts) * self._seeds

    def batch_size(self, config: Config) -> int:
        """Return how many configs like this one are trained together at most."""
        if isinstance(config.models[self._model], Averaged):
            return 1
        epochs = descent_settings(self._table, self._network(config), config.fit).epochs
        return max(1, REPLICA_EPOCHS // (self.fits() * epochs))

    def scored(self, configs: Sequence[Config], on_progress: OnProgress = lambda now: None) -> list[Scored]:
        """Return the result of each of `configs`, in their order; it does not depend on the other configs."""
        results: dict[int, Scored] = {}
        for numbers in self.stacks(configs).values():
            scored = self._train_together([configs[number] for number in numbers], on_progress)
            results |= dict(zip(numbers, scored, strict=True))
        return [results[number] for number in range(len(configs))]

    def stacks(self, configs: Sequence[Config]) -> dict[str, list[int]]:
        """Return the indices in `configs` of the configs that are trained together, by their shape."""
        stacks: dict[str, list[int]] = {}
        for number, config in enumerate(configs):
            stacks.setdefault(self._shape(config), []).append(number)
        return stacks

    def _network(self, config: Config) -> Neural:
        settings = config.models[self._model]
        assert isinstance(settings, Neural)
        return settings

    def _common(self, config: Config) -> Neural:
        """Return the settings of the network without the values that may differ between replicas."""
        return replace(self._network(config), learning_rate=1.0, l2=0.0)

    def _shape(self, config: Config) -> str:
        """Return, as text, all settings that configs must share to be trained together."""
        settings = config.models[self._model]
        if not isinstance(settings, Averaged):
            settings = self._common(config)
        return json.dumps([asdict(settings), asdict(replace(config.fit, seed=0))], sort_keys=True)

    def _averaged(self, config: Config, on_progress: OnProgress) -> Scored:
        """Return the result of an averaged network, which chooses what it does not have from the config."""
        settings, table = config.models[self._model], self._table
        assert isinstance(settings, Averaged)

        def on_epoch(epoch: int, running: NDArray, first: NDArray) -> None:
            on_progress(f"epoch {epoch}")

        try:
            averages = average(table, self._parts, settings, config.fit, on_epoch)
        except UserError as error:
            return Scored(None, 0, 0, f"diverged: {error}")
        losses = fold_losses(table, self._parts, averaged_predictors(table, averages))
        epochs, steps = sum(each.epochs for each in averages), sum(each.steps for each in averages)
        return _finite(np.array([loss["loss"] for loss in losses]), epochs, steps)

    def _train_together(self, configs: Sequence[Config], on_progress: OnProgress) -> list[Scored]:
        if isinstance(configs[0].models[self._model], Averaged):
            return [self._averaged(config, on_progress) for config in configs]
        # The settings hold no rates and penalties, which belong to the replicas. So all batches of a shape run the same
        # program.
        model_settings, fit_settings, table = self._common(configs[0]), configs[0].fit, self._table
        model = built(model_settings, len(table.names), table.family.outputs, fit_settings.dtype)
        replicas = [replica for config in configs for replica in self._replicas(self._network(config), config.fit)]
        descent = descent_settings(table, model_settings, fit_settings)
        fitted = fit.fit(
            model, table.source, replicas, descent, lambda epoch, running, first: on_progress(f"epoch {epoch}"), SIZES
        )
        parts = [part for _ in configs for part in self._parts for _ in range(self._seeds)]
        losses = self._losses(model, fitted, parts).reshape(len(configs), len(self._parts), self._seeds)
        fits_by_config = [fitted[first : first + self.fits()] for first in range(0, len(fitted), self.fits())]
        return [
            _scored(config_losses, fits)
            for config_losses, fits in zip(losses.mean(axis=2), fits_by_config, strict=True)
        ]

    def _replicas(self, model_settings: Neural, fit_settings: Fit) -> list[Replica]:
        """Return the replicas of a config: for each fold, one for each seed."""
        key = fit_settings.seed, fit_settings.validation
        if key not in self._divided:
            self._divided[key] = [
                replica
                for part in self._parts
                for replica in fold_replicas(self._table, part, self._seeds, fit_settings)
            ]
        replicas = self._divided[key]
        if model_settings.from_regression:
            if key not in self._started:
                self._started[key] = from_regressions(self._table, replicas)
            replicas = self._started[key]
        rate, l2 = model_settings.learning_rate, model_settings.l2
        return [replace(replica, learning_rate=rate, l2=l2) for replica in replicas]

    def _losses(self, model: keras.Model, fitted: Sequence[fit.Fitted], parts: Sequence[Fold]) -> NDArray:
        """Return the loss of each fit on the held-out rows of its fold, `(fits,)`."""
        table = self._table
        if len(table.source.groups) > 1:
            losses = fold_losses(table, parts, network_predictors(model, fitted, table.family))
            return np.array([part_losses["loss"] for part_losses in losses])
        rows = table.source.read(table.source.groups)
        tests = [rows.take(part.test) for part in parts]
        predictions = stacked_predictions(model, fitted, [test.features for test in tests], table.family)
        return np.array([test.mean_loss(table.family, each) for test, each in zip(tests, predictions, strict=True)])


def _scored(losses: NDArray, fits: Sequence[fit.Fitted]) -> Scored:
    """Return the result of a config from its losses by fold and its fits."""
    epochs, steps = sum(len(fitted.losses) for fitted in fits), sum(fitted.steps for fitted in fits)
    hopeless = sum(1 for fitted in fits if fitted.diverged and not fitted.best_epoch and not fitted.frozen)
    if hopeless:
        reason = f"diverged: in {hopeless} of {len(fits)} fits the loss is not finite in the first epoch"
        return Scored(None, epochs, steps, reason)
    return _finite(losses, epochs, steps)


def _finite(losses: NDArray, epochs: int, steps: int) -> Scored:
    if not np.isfinite(losses).all():
        return Scored(None, epochs, steps, "the loss on the held-out rows of a fold is not finite")
    return Scored(losses, epochs, steps)
