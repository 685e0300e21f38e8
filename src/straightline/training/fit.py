"""Train hundreds of replicas of a Keras model at once, each on its own rows and with its own early stopping.

A replica is one fit: a network, the rows that it trains on, and a seed. Cross-validation, repeats, seeds and the
learning curve need hundreds of fits of the same network. Each is so small that the overhead of a step costs more than
its arithmetic. So the replicas share the steps:

1. Up to LANES replicas are packed into a stack (`stack.py`): one Keras model whose variables have a leading axis, the
   lane, with one replica in each lane.
2. All stacks have the same size, so that one compiled program (`program.py`) serves all of them. It runs several epochs
   per call, and it keeps the best weights of each replica and its number of epochs without progress.
3. A feed (`feed.py`, `streamed_feed.py`) draws the batches of each replica and calls the program for the stacks, on two
   threads.
4. After each call, the replicas that have ended are taken out. If enough of them have, the others are packed into fewer
   stacks, which reuse the compiled program.

A replica's result does not depend on the replicas beside it. The measurements behind these choices are in docs/log.md.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data import scaling
from straightline.data.source import Source
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS
from straightline.training import stack
from straightline.training.batches import Replica
from straightline.training.feed import HeldFeed, Stack
from straightline.training.fitted import Fitted, course
from straightline.training.lanes import frozen_weights, lane_values, mean_weights, other_scales, scalings_of
from straightline.training.program import program
from straightline.training.state import Settings, StackRows, State
from straightline.training.streamed_feed import StreamedFeed

__all__ = ["LANES", "Drop", "Fitted", "OnEpoch", "Settings", "fit"]

LANES = 32  # most lanes of a stack: enough to share the overhead of a step, few enough to drop whole stacks early
CACHE = 2**20  # bytes that the activations of a stack may take in one step
REPACK_SHARE = 16  # repack only if more than 1/16 of the stacks are saved

OnEpoch = Callable[[int, NDArray, NDArray], None]
Drop = Callable[[NDArray], NDArray]


def fit(
    model: keras.Sequential,
    source: Source,
    replicas: Sequence[Replica],
    settings: Settings,
    on_epoch: OnEpoch = lambda epoch, running, first: None,
    sizes: Sequence[int] = range(1, LANES + 1),
    drop: Drop = lambda monitored: np.zeros(len(monitored), bool),
) -> list[Fitted]:
    """Fit `model` (rows, inputs -> rows, outputs) once for each replica.

    A result does not depend on the other replicas.

    The output of `model` must be the linear predictor, since a loss computed from a rounded probability loses digits.

    Fits with the same `model` object and the same shapes compile only once. If `source` has several groups, it is
    streamed, and the row numbers of the replicas must ascend. `sizes`, ascending to LANES, are the permitted stack
    sizes. Each size compiles its own program, so pass few sizes if fits of one shape are repeated with different
    numbers of replicas.

    `on_epoch` is called every few epochs with the number of epochs so far, the last monitored losses of the replicas
    that still run, and all losses of the first replica, `(2, epochs)`: `losses` and `monitored` as in `Fitted`.

    `drop` is called as often. It gets the monitored losses of all replicas `(replicas, epochs so far)`, in the units of
    the target; those after the end of a replica have no meaning. It returns which replicas `(replicas,)` end now.

    If XLA cannot compile the program, a warning is issued and training runs uncompiled and slower.
    """
    losses = np.full((2, len(replicas), settings.epochs), np.nan)
    fitted: dict[int, Fitted] = {}
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        with step("compiling"):
            job = _Job(model, source, replicas, settings, sizes, pool)
            stacks = job.packed(np.arange(len(replicas)), [])
        if replicas[0].line is not None:
            job.score_initial_weights(stacks, pool)
        for first in range(0, settings.epochs, job.epochs):
            epochs = slice(first, min(first + job.epochs, settings.epochs))
            stack_losses = job.run(stacks, epochs.stop - first, pool)
            for packed, new_losses in zip(stacks, stack_losses, strict=True):
                losses[:, packed.numbers, epochs] = new_losses
            dropped = drop(losses[1, :, : epochs.stop] * job.units[:, np.newaxis])
            for packed in stacks:
                ended = packed.numbers[packed.ended | dropped[packed.numbers] | (epochs.stop == settings.epochs)]
                if newly_ended := [number for number in ended if number not in fitted]:
                    fitted |= job.fitted(newly_ended, packed, losses[:, :, : epochs.stop])
            running = np.array([number for number in range(len(replicas)) if number not in fitted], int)
            first_losses = losses[:, 0, : epochs.stop] * job.units[0]
            if 0 in fitted:
                first_losses = np.array([fitted[0].losses, fitted[0].monitored])
            on_epoch(epochs.stop, losses[1, running, epochs.stop - 1] * job.units[running], first_losses)
            if not len(running):
                break
            if job.stacks_for(len(running)) < len(stacks) - len(stacks) // REPACK_SHARE:
                stacks = job.packed(running, stacks)
    return [fitted[number] for number in range(len(replicas))]


class _Job:
    """The parts of a fit that do not change from epoch to epoch: program, feed, scalings and initial weights.

    `epochs` is the number of epochs per call of `run`. `units` `(replicas,)` are the factors that turn a loss of the
    scaled target into a loss in the target's own units.
    """

    def __init__(
        self,
        model: keras.Sequential,
        source: Source,
        replicas: Sequence[Replica],
        settings: Settings,
        sizes: Sequence[int],
        pool: Executor,
    ) -> None:
        dtype = stack.dtype_of(model)
        self._replicas = replicas
        self._settings = settings
        overall, *self._scalings = scalings_of(source, replicas, settings)
        self.units = np.array([settings.family.loss_unit(each.target.scale) for each in self._scalings])
        everything = np.arange(source.rows, dtype=np.int32)
        trained, monitored = [replica.train for replica in replicas], [replica.monitored for replica in replicas]
        overall_weight, *weights = mean_weights(source, [everything, *trained, *monitored])
        train_weights, monitored_weights = np.reshape(weights, (2, len(replicas)))
        self._lanes = lane_values(
            replicas,
            [scaling.relative(each, overall) for each in self._scalings],
            other_scales(source, train_weights / overall_weight),
            settings,
            dtype,
        )
        self._monitored_totals = monitored_weights / train_weights * list(map(len, monitored))
        fewest = stack_size(len(replicas), settings.batch_size * _row_bytes(model))
        self._size = next(size for size in sizes if size >= fewest)
        self._program = program(
            model,
            self._size,
            settings,
            penalized=bool(self._lanes.penalties.any()),
            weighted=source.has_weights,
            with_offset=source.has_offset,
        )
        feed = HeldFeed if len(source.groups) == 1 else StreamedFeed
        self._feed = feed(
            source, overall, dtype, replicas, settings, self._size, self._monitored_totals, overall_weight
        )
        self.epochs = self._feed.epochs
        # XLA compiles on another thread while this one draws the initial weights.
        compiled = pool.submit(self._feed.prepare(self._program, self._rows(np.zeros(self._size, int))))
        self._initial = stack.initial_weights(model, [replica.seed for replica in replicas])
        self._frozen = frozen_weights(replicas, self._scalings, dtype)
        self._initial_losses = np.full(len(replicas), np.inf)
        compiled.result()

    def stacks_for(self, count: int) -> int:
        """Return the number of stacks that `count` replicas need."""
        return -(-count // self._size)

    def packed(self, numbers: NDArray, stacks: Sequence[Stack]) -> list[Stack]:
        """Pack the replicas `numbers` into as few stacks as possible.

        They keep the states that they have in `stacks`; without `stacks` they start with their initial weights.
        """
        parts = np.array_split(numbers, self.stacks_for(len(numbers)))
        lanes = [np.resize(part, self._size) for part in parts]  # repeats replicas until all lanes are full
        states = _gathered(lanes, stacks) if stacks else map(self._start, lanes)
        return [
            Stack(part, state, self._rows(stack_lanes))
            for part, state, stack_lanes in zip(parts, states, lanes, strict=True)
        ]

    def _rows(self, lanes: NDArray) -> StackRows:
        values = self._lanes
        arrays = (values.center, values.scale, values.rates, values.penalties, values.patience)
        return StackRows(*self._feed.fixed_rows(lanes), *(tf.constant(array[lanes]) for array in arrays))

    def _start(self, lanes: NDArray) -> State:
        seeds = [self._replicas[lane].seed for lane in lanes]
        weights, frozen = ([array[lanes] for array in arrays] for arrays in (self._initial, self._frozen))
        return self._program.start(weights, seeds, frozen)

    def score_initial_weights(self, stacks: Sequence[Stack], pool: Executor) -> None:
        """Make the monitored loss of the initial weights the best loss so far, which an epoch has to beat."""
        for packed, sums in zip(stacks, self._feed.monitor(self._program, stacks, pool), strict=True):
            packed.state = packed.state._replace(best_loss=tf.constant(np.resize(sums, self._size)))
            self._initial_losses[packed.numbers] = sums / self._monitored_totals[packed.numbers]

    def run(self, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Train the stacks for `epochs` epochs; return the scaled losses of their replicas, `(2, replicas, epochs)`."""
        return self._feed.run(self._program, stacks, epochs, pool)

    def fitted(self, numbers: Sequence[int], packed: Stack, losses: NDArray) -> dict[int, Fitted]:
        """Return the results of the replicas `numbers` of a stack; `losses` `(2, all replicas, epochs)` are scaled."""
        best = self._program.best(packed.state)
        lanes = {number: lane for lane, number in enumerate(packed.numbers)}
        return {
            number: self._fitted(number, stack.unstack_weights(best, lanes[number]), losses[:, number])
            for number in numbers
        }

    def _fitted(self, number: int, best: stack.Weights, losses: NDArray) -> Fitted:
        ended, best_epoch, diverged = course(losses, int(self._lanes.patience[number]), self._initial_losses[number])
        return Fitted(
            weights=[array.copy() for array in best],
            frozen=stack.unstack_weights(self._frozen, number),
            scaling=self._scalings[number],
            best_epoch=best_epoch,
            losses=losses[0, :ended] * self.units[number],
            monitored=losses[1, :ended] * self.units[number],
            steps=self._settings.steps * ended,
            diverged=ended if diverged else None,
        )


def stack_size(replicas: int, step_bytes: int) -> int:
    """Return the size of a stack, such that an even number of stacks, shared by two threads, holds all `replicas`.

    `step_bytes` are the bytes of activations that one replica needs in a step.
    """
    lanes = int(np.clip(CACHE // step_bytes, 1, LANES))
    stacks = THREADS * -(-replicas // (THREADS * lanes))
    return -(-replicas // stacks)


def _row_bytes(model: keras.Sequential) -> int:
    """Return the bytes of inputs and activations of one row."""
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return (model.input_shape[-1] + sum(units)) * np.dtype(stack.dtype_of(model)).itemsize


def _gathered(lanes: Sequence[NDArray], stacks: Sequence[Stack]) -> Iterator[State]:
    """Yield the states of new stacks, which hold the replicas `lanes`, from the states of `stacks`."""
    used_lanes = [slice(len(packed.numbers)) for packed in stacks]
    place = {number: index for index, number in enumerate(np.concatenate([packed.numbers for packed in stacks]))}

    def joined(*tensors: Any) -> Any:
        if not tensors[0].shape.rank:  # a counter that all replicas share
            return tensors[0]
        return np.concatenate([tensor.numpy()[used] for tensor, used in zip(tensors, used_lanes, strict=True)])

    all_states = tf.nest.map_structure(joined, *(packed.state for packed in stacks))
    for stack_lanes in lanes:
        places = [place[number] for number in stack_lanes]
        yield tf.nest.map_structure(
            lambda values, places=places: tf.constant(values[places]) if np.ndim(values) else values, all_states
        )
