"""Fit hundreds of replicas of a Keras model at once, each on its own rows, with its own early stopping.

Replicas are packed into stacks of one size, so that one program serves them all, whichever still run; two threads work
on the stacks (docs/log.md).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.data import scaling
from straightline.data.scaling import Scaling
from straightline.data.source import Pass, Source, one_pass
from straightline.runtime.threads import THREADS
from straightline.training import stack
from straightline.training.batches import Replica
from straightline.training.feed import HeldFeed, Stack, StreamedFeed
from straightline.training.program import Settings, StackRows, State, program

__all__ = ["LANES", "Fitted", "OnEpoch", "Settings", "fit"]

LANES = 32  # of a stack at most: enough to share the overhead of a step, few enough that stacks can be dropped early
CACHE = 2**20  # bytes that the activations of a stack may take in one step
FEW = 16  # stacks in this many that are not worth packing all others anew for

OnEpoch = Callable[[int, NDArray, NDArray], None]


@dataclass(frozen=True)
class Fitted:
    """What a replica ended with: its best weights and their epoch (from 1), and the losses of each epoch it ran.

    `weights` are those of the plain model between scaled columns and scaled target; the losses are in the target's
    own units. `losses` are means over an epoch's batches while the weights move, `monitored` those of the epoch's last
    weights on the rows that decide when to stop. `diverged` is the epoch whose loss was not finite, which ended the
    replica, else None; `best_epoch` is 0, and `weights` are the initial ones, where that was the first. `frozen` are
    the weights that were given, of the regression that it starts from; there the initial weights compete too.
    """

    weights: stack.Weights
    frozen: stack.Weights
    scaling: Scaling
    best_epoch: int
    losses: NDArray
    monitored: NDArray
    steps: int
    diverged: int | None


def fit(
    model: keras.Sequential,
    source: Source,
    replicas: Sequence[Replica],
    settings: Settings,
    on_epoch: OnEpoch = lambda epoch, running, first: None,
    sizes: Sequence[int] = range(1, LANES + 1),
) -> list[Fitted]:
    """Fit `model` (rows, inputs -> rows, 1) once for each replica; results do not depend on which others there are.

    Its output is the linear predictor, so that the loss is computed from that instead of from a rounded probability.

    Fits of one `model` object and shape compile once. A `source` of several groups is streamed, and the replicas' rows
    must ascend. `sizes`, ascending to LANES, are those that a stack may have: few where fits of one shape come again in
    other numbers, since each size compiles. `on_epoch` is told, every few epochs, how many are done, the last
    monitored losses of the replicas that still run, and all losses of the first replica, `(2, epochs)` as in `Fitted`.
    Warns, and goes on slower, where XLA cannot compile the program.
    """
    losses = np.full((2, len(replicas), settings.epochs), np.nan)
    fitted: dict[int, Fitted] = {}
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        job = _Job(model, source, replicas, settings, sizes, pool)
        stacks = job.packed(np.arange(len(replicas)), [])
        if replicas[0].line is not None:
            job.compete(stacks, pool)
        for first in range(0, settings.epochs, job.epochs):
            epochs = slice(first, min(first + job.epochs, settings.epochs))
            ran = job.run(stacks, epochs.stop - first, pool)
            for one, history in zip(stacks, ran, strict=True):
                losses[:, one.numbers, epochs] = history
                over = one.numbers[one.ended | (epochs.stop == settings.epochs)]
                if ended := [number for number in over if number not in fitted]:
                    fitted |= job.fitted(ended, one, losses[:, :, : epochs.stop])
            left = np.array([number for number in range(len(replicas)) if number not in fitted], int)
            first_one = losses[:, 0, : epochs.stop] * job.units[0]
            if 0 in fitted:
                first_one = np.array([fitted[0].losses, fitted[0].monitored])
            on_epoch(epochs.stop, losses[1, left, epochs.stop - 1] * job.units[left], first_one)
            if not len(left):
                break
            if job.stacks_for(len(left)) < len(stacks) - len(stacks) // FEW:
                stacks = job.packed(left, stacks)
    return [fitted[number] for number in range(len(replicas))]


class _Job:
    """What stays the same from epoch to epoch: the program, the rows, and how each replica scales and shuffles them."""

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
        overall, *self._scalings = _scalings(source, replicas, settings)
        self.units = np.array([settings.family.loss_unit(own.target_scale) for own in self._scalings])
        self._lanes = _Lanes(
            *scaling.stacked([scaling.relative(own, overall) for own in self._scalings], dtype),
            _own([one.learning_rate for one in replicas], settings.learning_rate, dtype),
            _own([one.l2 for one in replicas], settings.l2, dtype),
            np.array([settings.patience if len(one.validation) else settings.epochs for one in replicas], np.int32),
        )
        fewest = stack_size(len(replicas), settings.batch_size * _row_bytes(model))
        self._size = next(size for size in sizes if size >= fewest)
        self._program = program(model, self._size, settings, penalized=bool(self._lanes.penalties.any()))
        feed = HeldFeed if len(source.groups) == 1 else StreamedFeed
        self._feed = feed(source, overall, dtype, replicas, settings, self._size)
        self.epochs = self._feed.epochs
        # Python traces and draws one after the other, XLA compiles beside it.
        compiled = pool.submit(self._feed.prepare(self._program, self._rows(np.zeros(self._size, int))))
        self._initial = stack.initial_weights(model, [one.seed for one in replicas])
        self._frozen = _frozen(replicas, self._scalings, dtype)
        self._first = np.full(len(replicas), np.inf)
        compiled.result()

    def stacks_for(self, count: int) -> int:
        """Return how many stacks `count` replicas need."""
        return -(-count // self._size)

    def packed(self, numbers: NDArray, stacks: Sequence[Stack]) -> list[Stack]:
        """Pack the replicas `numbers` into as few stacks as hold them, with the states they have in `stacks`."""
        parts = np.array_split(numbers, self.stacks_for(len(numbers)))
        lanes = [np.resize(part, self._size) for part in parts]
        states = _gathered(lanes, stacks) if stacks else map(self._start, lanes)
        return [Stack(part, state, self._rows(own)) for part, state, own in zip(parts, states, lanes, strict=True)]

    def _rows(self, lanes: NDArray) -> StackRows:
        own = self._lanes
        return StackRows(
            *self._feed.seen(lanes),
            *(tf.constant(values[lanes]) for values in (own.center, own.scale, own.rates, own.penalties, own.patience)),
        )

    def _start(self, lanes: NDArray) -> State:
        seeds = [self._replicas[lane].seed for lane in lanes]
        weights, frozen = ([array[lanes] for array in arrays] for arrays in (self._initial, self._frozen))
        return self._program.start(weights, seeds, frozen)

    def compete(self, stacks: Sequence[Stack], pool: Executor) -> None:
        """Let the initial weights be the best that an epoch has to beat."""
        for one, sums in zip(stacks, self._feed.watch(self._program, stacks, pool), strict=True):
            one.state = one.state._replace(best_loss=tf.constant(np.resize(sums, self._size)))
            self._first[one.numbers] = sums / [len(self._replicas[number].monitored) for number in one.numbers]

    def run(self, stacks: Sequence[Stack], epochs: int, pool: Executor) -> list[NDArray]:
        """Move the stacks some epochs further; return their replicas' scaled losses, `(2, replicas, epochs)`."""
        return self._feed.run(self._program, stacks, epochs, pool)

    def fitted(self, numbers: Sequence[int], one: Stack, losses: NDArray) -> dict[int, Fitted]:
        """Return what the replicas `numbers` of the stack ended with; `losses` `(2, replicas, epochs)` are scaled."""
        best = self._program.best(one.state)
        lanes = {number: lane for lane, number in enumerate(one.numbers)}
        return {
            number: self._fitted(number, stack.unstack_weights(best, lanes[number]), losses[:, number])
            for number in numbers
        }

    def _fitted(self, number: int, best: stack.Weights, losses: NDArray) -> Fitted:
        ended, best_epoch, diverged = course(losses, int(self._lanes.patience[number]), self._first[number])
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


def course(losses: NDArray, patience: int, first: float = np.inf) -> tuple[int, int, bool]:
    """Return the epoch that ended a replica, its best one, and whether it diverged, as `Program.advance` decides it.

    `losses` are those of the batches and the monitored rows, `(2, epochs)`, and may go on after the end. `first` is
    what the initial weights had on the monitored rows, where they compete.
    """
    finite = np.isfinite(losses).all(axis=0)
    monitored = np.where(finite, losses[1], np.inf)
    epochs = np.arange(1, len(monitored) + 1)
    better = monitored < np.minimum.accumulate(np.append(first, monitored[:-1]))
    best = np.maximum.accumulate(np.where(better, epochs, 0))
    ends = ~finite | (epochs - best >= patience)
    ended = int(np.argmax(ends)) if ends.any() else len(epochs) - 1
    return ended + 1, int(best[ended]), not finite[ended]


@dataclass(frozen=True)
class _Lanes:
    """What differs between replicas, as arrays that lead with the replica."""

    center: NDArray
    scale: NDArray
    rates: NDArray
    penalties: NDArray
    patience: NDArray


def _frozen(replicas: Sequence[Replica], scalings: Sequence[Scaling], dtype: str) -> stack.Weights:
    """Return the stacked kernel and bias of the replicas' lines between scaled columns and scaled target, if any."""
    lines = [scaling.scaled(one.line) for one, scaling in zip(replicas, scalings, strict=True) if one.line is not None]
    if not lines:
        return []
    joined = np.stack(lines).astype(dtype)
    return [joined[:, 1:, np.newaxis], joined[:, :1, np.newaxis]]


def _own(values: Sequence[float | None], default: float, dtype: str) -> NDArray:
    return np.array([default if value is None else value for value in values], dtype)[:, np.newaxis, np.newaxis]


def _scalings(source: Source, replicas: Sequence[Replica], settings: Settings) -> list[Scaling]:
    """Return the scaling by all rows, then those by each replica's training rows."""
    if not settings.standardize:
        return [scaling.unscaled(source.columns)] * (1 + len(replicas))
    everything = np.arange(source.rows, dtype=np.int32)
    parts = {id(rows): rows for rows in (everything, *(one.train for one in replicas))}  # seeds share their rows
    found = one_pass(source, list(parts.values()), [Pass(scaling.moments, scaling.joined)] * len(parts))
    own = {
        part: scaling.standardization(one, settings.family.scales_target, settings.center)
        for part, one in zip(parts, found, strict=True)
    }
    return [own[id(rows)] for rows in (everything, *(one.train for one in replicas))]


def stack_size(replicas: int, step_bytes: int) -> int:
    """Return the size of which an even number of stacks holds all `replicas`, so that the threads share them alike."""
    lanes = int(np.clip(CACHE // step_bytes, 1, LANES))
    stacks = THREADS * -(-replicas // (THREADS * lanes))
    return -(-replicas // stacks)


def _row_bytes(model: keras.Sequential) -> int:
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return (model.input_shape[-1] + sum(units)) * np.dtype(stack.dtype_of(model)).itemsize


def _gathered(lanes: Sequence[NDArray], stacks: Sequence[Stack]) -> Iterator[State]:
    """Yield the states of stacks of the replicas `lanes`, wherever in `stacks` they are now."""
    kept = [slice(len(one.numbers)) for one in stacks]
    place = {number: at for at, number in enumerate(np.concatenate([one.numbers for one in stacks]))}

    def joined(*tensors: Any) -> Any:
        if not tensors[0].shape.rank:
            return tensors[0]
        return np.concatenate([tensor.numpy()[own] for tensor, own in zip(tensors, kept, strict=True)])

    everything = tf.nest.map_structure(joined, *(one.state for one in stacks))
    for own in lanes:
        at = [place[number] for number in own]
        yield tf.nest.map_structure(lambda all_, at=at: tf.constant(all_[at]) if np.ndim(all_) else all_, everything)
