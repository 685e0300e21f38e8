"""The compiled training program: Keras model, loss and optimizer in one XLA program that loops over whole epochs.

The program trains a stack: a fixed number of places, called lanes, each of which holds one replica. It is a pure
function. It takes the state of the stack (weights, optimizer moments, best epoch so far) and the row numbers of the
batches, and returns the next state and the losses. For each epoch it does the following, for all lanes at once:

1. train: for each step, gather the rows of the step's batches from the table, compute loss and gradients, and let the
   optimizer update the weights;
2. monitor: compute the loss of the new weights on the rows that decide when to stop;
3. advance: keep the weights of each replica for which this was the best epoch, and count the epochs since then.

Nothing in the program depends on which replicas the lanes hold, on their rows, learning rates or penalties; all of
these are arguments. So one compiled program serves all stacks of the same shape.
"""

import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline.training import stack
from straightline.training.optimizer import optimizer
from straightline.training.state import Settings, StackRows, State

PROGRAMS = 64  # programs that are kept: a sweep has several network shapes, each with a few stack sizes
CHUNK = 16  # steps whose rows are gathered together; XLA compiles the small inner loop into one function (docs/log.md)


class Program:
    """Trains `lanes` replicas of `model` for some epochs, as a pure function of their state.

    Several threads may call it at the same time. `penalized` says whether the loss includes the L2 penalty. `weighted`
    and `with_offset` say whether the table has weights and offsets.
    """

    def __init__(
        self,
        model: keras.Sequential,
        lanes: int,
        settings: Settings,
        penalized: bool,
        weighted: bool = False,
        with_offset: bool = False,
    ) -> None:
        self._settings = settings
        self._weighted = weighted
        self._with_offset = with_offset
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
        """Return the state before the first epoch.

        `weights` are the stacked initial weights, `seeds` start the random streams of dropout, and `frozen` are the
        stacked weights that training does not change.
        """
        keys = np.array(seeds, np.uint64).astype(np.uint32)[:, None, None]
        frozen_weights = iter(frozen)

        def initial(variable: keras.Variable) -> Any:
            if variable.name == "key":
                return keys
            return next(frozen_weights) if stack.is_frozen(variable) else keras.ops.convert_to_numpy(variable)

        joined = self._joint.join(weights)
        others = [tf.constant(initial(variable)) for variable in self._variables[1:]]
        infinite = tf.fill(len(keys), tf.constant(np.inf, self._dtype))
        return State([joined, *others], joined, infinite, tf.zeros(len(keys), tf.int32))

    def blank(self) -> State:
        """Return a state whose weights are zero, to trace and compile with."""
        kinds = self._stacked.trainable_variables, filter(stack.is_frozen, self._stacked.non_trainable_variables)
        weights, frozen = ([np.zeros(variable.shape, self._dtype) for variable in kind] for kind in kinds)
        return self.start(weights, [0] * len(weights[0]), frozen)

    def best(self, state: State) -> stack.Weights:
        """Return the stacked weights of each replica's best epoch."""
        return [part.numpy() for part in self._joint.parts(state.best)]

    def __call__(self, state: State, batches: NDArray, epochs: int, rows: StackRows) -> tuple[State, Any]:
        """Train for `epochs` epochs; return the state after them, and the losses `(epochs, 2, lanes)`.

        `batches` `(epochs, chunks, CHUNK, lanes, rows)` are row numbers, or -1 in empty places. They, and the losses,
        may have room for more epochs than are run. The losses are sums over rows. The first is over the batches of the
        epoch, while the weights change; the second is over `rows.monitored`, with the weights at the end of the epoch.
        If XLA cannot compile the program, a warning is issued and it runs uncompiled.
        """
        return self._run(self._epochs, state, tf.constant(batches), tf.constant(epochs), rows)

    def train(self, state: State, batches: NDArray, steps: int, rows: StackRows) -> tuple[State, Any]:
        """Train for `steps` steps, a part of an epoch; return the state and the sums of the losses `(lanes,)`.

        `batches` `(chunks, CHUNK, lanes, rows)` are row numbers in `rows.table`, or -1 in empty places.
        """
        variables, losses = self._run(self._train, state.variables, tf.constant(batches), tf.constant(steps), rows)
        return state._replace(variables=variables), losses

    def monitor(self, state: State, chunks: int, rows: StackRows) -> Any:
        """Return the sums of the losses `(lanes,)` on the first `chunks` of `rows.monitored`."""
        return self._run(self._monitor, state.variables, tf.constant(chunks), rows)

    def trace(self, state: State, batches: NDArray, rows: StackRows) -> None:
        """Trace the program for arguments of these shapes; the first call then only has to compile it."""
        self._trace(self._epochs, state, tf.constant(batches), tf.constant(0), rows)

    def _trace(self, function: Callable, *arguments: Any) -> Hashable:
        """Trace `function` unless that was done for these shapes; return its key in `_compiled`."""
        key = function.__name__, *(tuple(tensor.shape) for tensor in tf.nest.flatten(arguments) if tensor is not None)
        with self._lock:  # one thread traces while the other waits
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
        """Loop over epochs: train, monitor, advance. Traced by TensorFlow, as are the methods that it calls."""

        def epoch(number: Any, state: State, losses: Any) -> Any:
            variables, loss = self._train(state.variables, tf.gather(batches, number), self._settings.steps, rows)
            monitored = self._monitor(variables, rows.monitored.shape[0], rows)
            state = self.advance(state._replace(variables=variables), loss, monitored, rows.patience)
            is_this_epoch = tf.range(batches.shape[0])[:, None, None] == number
            return number + 1, state, tf.where(is_this_epoch, tf.stack([loss, monitored]), losses)

        no_losses = tf.zeros((batches.shape[0], 2, batches.shape[3]), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < epochs, epoch, (0, state, no_losses))[1:]

    def advance(self, state: State, loss: Any, monitored: Any, patience: Any) -> State:
        """Return the state after an epoch with the losses `loss` and `monitored`, both `(lanes,)`.

        A replica that still runs keeps the weights of this epoch if their monitored loss is its lowest so far.
        """
        finite = tf.math.is_finite(loss) & tf.math.is_finite(monitored)
        better = (state.since < patience) & finite & (monitored < state.best_loss)
        return State(
            state.variables,
            best=tf.where(better[:, None, None], state.variables[0], state.best),
            best_loss=tf.where(better, monitored, state.best_loss),
            since=tf.where(better, 0, tf.where(finite, state.since + 1, patience)),
        )

    def _train(self, variables: list[Any], batches: Any, steps: Any, rows: StackRows) -> tuple[list[Any], Any]:
        """Loop over chunks, and inside a chunk over its steps; return the variables and the sums of the losses."""

        def chunk(number: Any, *carried: Any) -> Any:
            values, is_row = _gather(tf.gather(batches, number), rows)
            # Each row of a batch counts as 1 / rows of the batch, times its weight, and an empty place as 0.
            row_weights = is_row / tf.maximum(tf.reduce_sum(is_row, axis=2, keepdims=True), 1)
            first = number * CHUNK

            def step(number: Any, total: Any, variables: list[Any]) -> Any:
                batch_weights = tf.gather(row_weights, number - first)
                variables, losses = self._step(variables, tf.gather(values, number - first), batch_weights, rows)
                return number + 1, total + tf.reduce_sum(tf.where(batch_weights > 0, losses, 0), axis=1), variables

            end = tf.minimum(first + CHUNK, steps)
            return number + 1, *tf.while_loop(lambda number, *_: number < end, step, (first, *carried))[1:]

        start = (0, tf.zeros(batches.shape[2:3], rows.table.dtype), variables)
        _, losses, variables = tf.while_loop(lambda number, *_: number * CHUNK < steps, chunk, start)
        return variables, losses

    def _monitor(self, variables: list[Any], chunks: Any, rows: StackRows) -> Any:
        """Loop over chunks of the monitored rows; return the sums of their losses."""

        def chunk(number: Any, total: Any) -> Any:
            values, is_row = _gather(tf.gather(rows.monitored, number), rows)
            with keras.StatelessScope(state_mapping=self._mapping(variables)):
                losses = self._row_losses(values, training=False)
            return number + 1, total + tf.reduce_sum(losses * is_row, axis=1)

        no_loss = tf.zeros((rows.monitored.shape[1],), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < chunks, chunk, (0, no_loss))[1]

    def _step(self, variables: list[Any], values: Any, row_weights: Any, rows: StackRows) -> tuple[list[Any], Any]:
        """Return the variables after one optimizer step, and the loss of each row `(lanes, rows)` before it.

        The objective is the sum over all lanes. Since no lane uses the weights of another, its gradient is the gradient
        of each lane's own mean loss and penalty.
        """
        with keras.StatelessScope(state_mapping=[*self._mapping(variables), (self._rates, rows.rates)]) as scope:
            weights = [tf.convert_to_tensor(variable) for variable in self._stacked.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                losses = self._row_losses(values, training=True)
                objective = tf.reduce_sum(losses * row_weights)
                if self._penalized:
                    objective += tf.add_n([tf.reduce_sum(rows.penalties * kernel**2) for kernel in weights[::2]])
            self._optimizer.apply([self._joint.join(tape.gradient(objective, weights))], [self._joined])
        return [scope.get_current_value(variable) for variable in self._variables], losses

    def _mapping(self, variables: list[Any]) -> list[tuple[Any, Any]]:
        """Return the pairs of Keras variable and tensor with which `keras.StatelessScope` replaces the variables."""
        weights = self._joint.parts(variables[0])
        return list(zip([*self._stacked.trainable_variables, *self._variables], [*weights, *variables], strict=True))

    def _row_losses(self, values: Any, training: bool) -> Any:
        """Return the loss of each row times its weight, `(lanes, rows)`."""
        sizes = [-1, 1, *[1] * self._weighted, *[1] * self._with_offset]
        features, labels, *others = tf.split(values, sizes, axis=-1)
        predictor = self._stacked(features, training=training)
        if self._with_offset:
            predictor += others[-1]
        losses = self._settings.family.keras_loss(labels, predictor)
        return losses * others[0][..., 0] if self._weighted else losses


@lru_cache(maxsize=PROGRAMS)
def program(
    model: keras.Model, lanes: int, settings: Settings, penalized: bool, weighted: bool, with_offset: bool
) -> Program:
    """Return the program of `model` with these options; it is reused, so that fits of the same shapes compile once."""
    return Program(model, lanes, settings, penalized, weighted, with_offset)


def _gather(numbers: Any, rows: StackRows) -> tuple[Any, Any]:
    """Return the standardized rows of these numbers, and an array that is 1 for a row and 0 for an empty place."""
    is_row = tf.cast(numbers >= 0, rows.table.dtype)
    return (tf.gather(rows.table, tf.maximum(numbers, 0)) - rows.center) / rows.scale, is_row
