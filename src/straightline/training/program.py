"""The compiled epoch: a Keras model, loss and optimizer in one XLA program that loops over an epoch's batches."""

import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.families import Family
from straightline.training import stack
from straightline.training.optimizer import optimizer

PROGRAMS = 64  # that are kept: of a sweep's shapes, each of a few sizes
CHUNK = 16  # steps whose rows are gathered and scaled at once; XLA makes one function of an inner loop small enough


class State(NamedTuple):
    """What a stack's replicas have reached, as tensors that lead with the lane.

    `variables` are the weights, joined (`stack.Joint`), dropout streams, and the optimizer's moments. `best` are the
    weights, joined, after the epoch with the least monitored loss, `best_loss`, and `since` is how many epochs ago that
    was, or the replica's patience where a loss was not finite: at its patience a replica has ended.
    """

    variables: list[Any]
    best: Any
    best_loss: Any
    since: Any


class StackRows(NamedTuple):
    """What a stack's replicas see, by lane.

    `table` is `(rows, columns + 1)`, the target last; `monitored` `(chunks, lanes, rows)` holds row numbers in it, -1
    for none; both are None while a table is streamed and no block is at hand. `center` and `scale` are
    `(lanes, 1, columns + 1)`; `rates` and `penalties` `(lanes, 1, 1)`; `patience` `(lanes,)`, in epochs.
    """

    table: Any
    monitored: Any
    center: Any
    scale: Any
    rates: Any
    penalties: Any
    patience: Any


@dataclass(frozen=True)
class Settings:
    """How a stack descends.

    `family` has the loss; `learning_rate`, and `l2`, the kernels' penalty, are those
    of replicas that have none of their own. `momentum` is that of `sgd` and `rmsprop`. An epoch is `steps` batches,
    whatever the rows of a replica: one with few rows goes through them more than once. `schedule` is `constant` or
    `cosine` (Loshchilov and Hutter 2017, eq. 5, to 0 over all epochs). `standardize` takes from each column, and from
    a continuous target, the mean of the replica's training rows and divides by their deviation; without `center` it
    only divides, by the root mean square.
    """

    family: Family
    optimizer: str
    momentum: float
    learning_rate: float
    schedule: str
    l2: float
    batch_size: int
    steps: int
    epochs: int
    patience: int
    standardize: bool
    center: bool = True


class Program:
    """Some epochs of `lanes` replicas of `model`, as a pure function of their state; several threads may call it."""

    def __init__(self, model: keras.Sequential, lanes: int, settings: Settings, penalized: bool) -> None:
        self._settings = settings
        self._penalized = penalized
        self._stacked = stack.stack(model, lanes)
        self._dtype = stack.dtype_of(model)
        self._rates = keras.Variable(np.zeros((lanes, 1, 1)), dtype=self._dtype, trainable=False)
        decay_steps = settings.epochs * settings.steps if settings.schedule == "cosine" else None
        self._optimizer = optimizer(settings.optimizer, settings.momentum, self._rates, decay_steps)
        self._joint = stack.Joint(self._stacked)
        self._joined = keras.Variable(np.zeros(self._joint.shape), dtype=self._dtype)
        self._optimizer.build([self._joined])
        self._variables = [self._joined, *self._stacked.non_trainable_variables, *self._optimizer.variables]
        self._lock = threading.Lock()
        self._compiled: dict[Hashable, Any] = {}

    def start(self, weights: stack.Weights, seeds: Sequence[int], frozen: stack.Weights) -> State:
        """Return the state before the first epoch, from stacked `weights`; `seeds` start the dropout streams.

        `frozen` are the stacked weights that stay as they are.
        """
        keys = np.array(seeds, np.uint64).astype(np.uint32)[:, None, None]
        still = iter(frozen)
        rest = [
            keys
            if variable.name == "key"
            else next(still)
            if stack.is_frozen(variable)
            else keras.ops.convert_to_numpy(variable)
            for variable in self._variables[1:]
        ]
        first = self._joint.join(weights)
        infinite = tf.fill(len(keys), tf.constant(np.inf, self._dtype))
        return State([first, *map(tf.constant, rest)], first, infinite, tf.zeros(len(keys), tf.int32))

    def blank(self) -> State:
        """Return a state of zeros."""
        variables = self._stacked.trainable_variables, filter(stack.is_frozen, self._stacked.non_trainable_variables)
        weights, frozen = ([np.zeros(variable.shape, self._dtype) for variable in of] for of in variables)
        return self.start(weights, [0] * len(weights[0]), frozen)

    def best(self, state: State) -> stack.Weights:
        """Return the best weights, stacked."""
        return [part.numpy() for part in self._joint.parts(state.best)]

    def __call__(self, state: State, batches: NDArray, epochs: int, rows: StackRows) -> tuple[State, Any]:
        """Return the state after `epochs` epochs, and the losses `(epochs or more, 2, lanes)`.

        `batches` are row numbers `(epochs or more, chunks, CHUNK, lanes, rows)`, -1 for none. The losses are sums over
        rows: those of an epoch's batches while the weights move, and those of its last weights on `rows.monitored`.
        Warns, and goes on without, where XLA cannot compile.
        """
        return self._run(self._epochs, state, tf.constant(batches), tf.constant(epochs), rows)

    def train(self, state: State, batches: NDArray, steps: int, rows: StackRows) -> tuple[State, Any]:
        """Return the state after `steps` steps of an epoch, and the sums of the losses of their rows.

        `batches` are row numbers `(chunks, CHUNK, lanes, rows)`; otherwise as above, but for a part of the rows.
        """
        variables, losses = self._run(self._train, state.variables, tf.constant(batches), tf.constant(steps), rows)
        return state._replace(variables=variables), losses

    def monitor(self, state: State, chunks: int, rows: StackRows) -> Any:
        """Return the sums of the losses of the first `chunks` of `rows.monitored`."""
        return self._run(self._monitor, state.variables, tf.constant(chunks), rows)

    def trace(self, state: State, batches: NDArray, rows: StackRows) -> None:
        """Trace what a call runs, whose first one then only compiles it."""
        self._trace(self._epochs, state, tf.constant(batches), tf.constant(0), rows)

    def _trace(self, function: Callable, *arguments: Any) -> Hashable:
        key = function.__name__, *(tuple(tensor.shape) for tensor in tf.nest.flatten(arguments) if tensor is not None)
        with self._lock:  # one thread traces, the other waits
            if key not in self._compiled:
                compiled = tf.function(function, jit_compile=True, autograph=False)
                self._compiled[key] = compiled.get_concrete_function(*arguments)
        return key

    def _run(self, function: Callable, *arguments: Any) -> Any:
        key = self._trace(function, *arguments)
        try:
            return self._compiled[key](*arguments)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            with self._lock:
                self._compiled[key] = tf.function(function, autograph=False)
            reason = str(error).partition("\n")[0]
            warnings.warn(f"XLA cannot compile the training, which runs uncompiled and slower: {reason}", stacklevel=3)
            return self._compiled[key](*arguments)

    def _epochs(self, state: State, batches: Any, epochs: Any, rows: StackRows) -> tuple[State, Any]:
        def epoch(number: Any, state: State, losses: Any) -> Any:
            variables, loss = self._train(state.variables, tf.gather(batches, number), self._settings.steps, rows)
            monitored = self._monitor(variables, rows.monitored.shape[0], rows)
            state = self.advance(state._replace(variables=variables), loss, monitored, rows.patience)
            here = tf.range(batches.shape[0])[:, None, None] == number
            return number + 1, state, tf.where(here, tf.stack([loss, monitored]), losses)

        none = tf.zeros((batches.shape[0], 2, batches.shape[3]), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < epochs, epoch, (0, state, none))[1:]

    def advance(self, state: State, loss: Any, monitored: Any, patience: Any) -> State:
        """Note the epoch: its weights where they are a running replica's best, and how long ago those were."""
        finite = tf.math.is_finite(loss) & tf.math.is_finite(monitored)
        better = (state.since < patience) & finite & (monitored < state.best_loss)
        return State(
            state.variables,
            best=tf.where(better[:, None, None], state.variables[0], state.best),
            best_loss=tf.where(better, monitored, state.best_loss),
            since=tf.where(better, 0, tf.where(finite, state.since + 1, patience)),
        )

    def _train(self, variables: list[Any], batches: Any, steps: Any, rows: StackRows) -> tuple[list[Any], Any]:
        def chunk(number: Any, *carried: Any) -> Any:
            values, real = _gather(tf.gather(batches, number), rows)
            share = real / tf.maximum(tf.reduce_sum(real, axis=2, keepdims=True), 1)
            first = number * CHUNK

            def step(number: Any, total: Any, variables: list[Any]) -> Any:
                own = tf.gather(share, number - first)
                variables, losses = self._step(variables, tf.gather(values, number - first), own, rows)
                return number + 1, total + tf.reduce_sum(tf.where(own > 0, losses, 0), axis=1), variables

            last = tf.minimum(first + CHUNK, steps)
            return number + 1, *tf.while_loop(lambda number, *_: number < last, step, (first, *carried))[1:]

        start = (0, tf.zeros(batches.shape[2:3], rows.table.dtype), variables)
        _, losses, variables = tf.while_loop(lambda number, *_: number * CHUNK < steps, chunk, start)
        return variables, losses

    def _monitor(self, variables: list[Any], chunks: Any, rows: StackRows) -> Any:
        def chunk(number: Any, total: Any) -> Any:
            values, real = _gather(tf.gather(rows.monitored, number), rows)
            with keras.StatelessScope(state_mapping=self._mapping(variables)):
                losses = self._row_losses(values, training=False)
            return number + 1, total + tf.reduce_sum(losses * real, axis=1)

        none = tf.zeros((rows.monitored.shape[1],), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < chunks, chunk, (0, none))[1]

    def _step(self, variables: list[Any], values: Any, share: Any, rows: StackRows) -> tuple[list[Any], Any]:
        with keras.StatelessScope(state_mapping=[*self._mapping(variables), (self._rates, rows.rates)]) as scope:
            weights = [tf.convert_to_tensor(variable) for variable in self._stacked.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                losses = self._row_losses(values, training=True)
                objective = tf.reduce_sum(losses * share)
                if self._penalized:
                    objective += tf.add_n([tf.reduce_sum(rows.penalties * kernel**2) for kernel in weights[::2]])
            self._optimizer.apply([self._joint.join(tape.gradient(objective, weights))], [self._joined])
        return [scope.get_current_value(variable) for variable in self._variables], losses

    def _mapping(self, variables: list[Any]) -> list[tuple[Any, Any]]:
        weights = self._joint.parts(variables[0])
        return list(zip([*self._stacked.trainable_variables, *self._variables], [*weights, *variables], strict=True))

    def _row_losses(self, values: Any, training: bool) -> Any:
        features, labels = tf.split(values, [-1, 1], axis=-1)
        return self._settings.family.keras_loss(labels, self._stacked(features, training=training))


@lru_cache(maxsize=PROGRAMS)
def program(model: keras.Model, lanes: int, settings: Settings, penalized: bool) -> Program:
    """Return the program of `model` that is there, or a new one: fits of the same shapes compile once."""
    return Program(model, lanes, settings, penalized)


def _gather(numbers: Any, rows: StackRows) -> tuple[Any, Any]:
    real = tf.cast(numbers >= 0, rows.table.dtype)
    return (tf.gather(rows.table, tf.maximum(numbers, 0)) - rows.center) / rows.scale, real
