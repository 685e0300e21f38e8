"""The compiled epoch: a Keras model, loss and optimizer in one XLA program that loops over an epoch's batches."""

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer
from numpy.typing import NDArray

from straightline import stack

CHUNK = 16  # steps whose rows are gathered and scaled at once; XLA makes one function of an inner loop small enough


class State(NamedTuple):
    """What a stack's replicas have reached, as tensors that lead with the lane, but for counters, the same for all.

    `variables` are the weights, joined (`stack.Joint`), dropout streams, and the optimizer's moments. `best` are the
    weights after epoch `best_epoch`, whose monitored loss was `best_loss`. `ended` is the epoch that was a replica's
    last, 0 while it runs, and `diverged` that same epoch where it ended because a loss was not finite.
    """

    variables: list[Any]
    best: list[Any]
    best_loss: Any
    best_epoch: Any
    ended: Any
    diverged: Any
    epoch: Any


class Rows(NamedTuple):
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

    `loss` is `mean_squared_error` or `binary_crossentropy`; `learning_rate`, and `l2`, the kernels' penalty, are those
    of replicas that have none of their own. `momentum` is that of `sgd` and `rmsprop`. An epoch is `steps` batches,
    whatever the rows of a replica: one with few rows goes through them more than once. `schedule` is `constant` or
    `cosine` (Loshchilov and Hutter 2017, eq. 5, to 0 over all epochs). `standardize` takes from each column, and from
    a continuous target, the mean of the replica's training rows and divides by their deviation.
    """

    loss: str
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


class Program:
    """Some epochs of `lanes` replicas of `model`, as a pure function of their state; several threads may call it."""

    def __init__(self, model: keras.Sequential, lanes: int, settings: Settings, penalized: bool) -> None:
        self._settings = settings
        self._penalized = penalized
        self._stacked = stack.stack(model, lanes)
        self._dtype = stack.dtype_of(model)
        self._rates = keras.Variable(np.zeros((lanes, 1, 1)), dtype=self._dtype, trainable=False)
        self._optimizer = _optimizer(settings, self._rates)
        self._joint = stack.Joint(self._stacked)
        self._joined = [keras.Variable(np.zeros(shape), dtype=self._dtype) for shape in self._joint.shapes]
        self._optimizer.build(self._joined)
        self._variables = [*self._joined, *self._stacked.non_trainable_variables, *self._optimizer.variables]
        self._lock = threading.Lock()
        self._compiled: dict[str, Any] = {}

    def start(self, weights: stack.Weights, seeds: Sequence[int]) -> State:
        """Return the state before the first epoch, from stacked `weights`; `seeds` start the dropout streams."""
        keys = np.array(seeds, np.uint64).astype(np.uint32)[:, None, None]
        rest = [
            keys if variable.name == "key" else keras.ops.convert_to_numpy(variable)
            for variable in self._variables[len(self._joined) :]
        ]
        first = self._joint.join(weights)
        none = tf.zeros(len(keys), tf.int32)
        infinite = tf.fill(none.shape, tf.constant(np.inf, self._dtype))
        return State([*first, *map(tf.constant, rest)], first, infinite, none, none, none, tf.constant(0))

    def best(self, state: State) -> stack.Weights:
        """Return the best weights, stacked."""
        return [part.numpy() for part in self._joint.parts(state.best)]

    def __call__(self, state: State, batches: NDArray, epochs: int, rows: Rows) -> tuple[State, Any, Any]:
        """Return the state after `epochs` epochs, and the losses `(epochs or more, lanes)` of each.

        `batches` are row numbers `(epochs or more, chunks, CHUNK, lanes, rows)`, -1 for none. The first losses are
        means over an epoch's batches while the weights move, the second those of the epoch's last weights on
        `rows.monitored`. Warns, and goes on without, where XLA cannot compile.
        """
        return self._run(self._epochs, state, tf.constant(batches), tf.constant(epochs), rows)

    def train(self, state: State, batches: NDArray, steps: int, rows: Rows) -> tuple[State, Any, Any]:
        """Return the state after `steps` steps of an epoch, the sums of their rows' losses, and how many rows they had.

        `batches` are row numbers `(chunks, CHUNK, lanes, rows)`; otherwise as above, but for a part of the rows.
        """
        variables, *sums = self._run(self._train, state.variables, tf.constant(batches), tf.constant(steps), rows)
        return state._replace(variables=variables), *sums

    def monitor(self, state: State, chunks: int, rows: Rows) -> tuple[Any, Any]:
        """Return the sums of the losses of the first `chunks` of `rows.monitored`, and how many rows they had."""
        return self._run(self._monitor, state.variables, tf.constant(chunks), rows)

    def _run(self, function: Callable, *arguments: Any) -> Any:
        name = function.__name__
        with self._lock:  # one thread traces, the other waits
            if name not in self._compiled:
                compiled = tf.function(function, jit_compile=True, autograph=False)
                self._compiled[name] = compiled.get_concrete_function(*arguments)
        try:
            return self._compiled[name](*arguments)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            with self._lock:
                self._compiled[name] = tf.function(function, autograph=False)
            reason = str(error).partition("\n")[0]
            warnings.warn(f"XLA cannot compile the training, which runs uncompiled and slower: {reason}", stacklevel=3)
            return self._compiled[name](*arguments)

    def _epochs(self, state: State, batches: Any, epochs: Any, rows: Rows) -> tuple[State, Any, Any]:
        def epoch(number: Any, state: State, losses: Any, monitored: Any) -> Any:
            variables, loss, seen = self._train(state.variables, batches[number], self._settings.steps, rows)
            held, watched = self._monitor(variables, rows.monitored.shape[0], rows)
            loss, held = loss / seen, held / watched
            state = self.advance(state._replace(variables=variables), loss, held, rows.patience)
            here = tf.range(batches.shape[0])[:, None] == number
            return number + 1, state, tf.where(here, loss, losses), tf.where(here, held, monitored)

        none = tf.zeros((batches.shape[0], batches.shape[3]), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < epochs, epoch, (0, state, none, none))[1:]

    def advance(self, state: State, loss: Any, held: Any, patience: Any) -> State:
        """Note the epoch: its weights where they are a replica's best, and whether it was a replica's last."""
        now = state.epoch + 1
        running = state.ended == 0
        finite = tf.math.is_finite(loss) & tf.math.is_finite(held)
        better = running & finite & (held < state.best_loss)
        best_epoch = tf.where(better, now, state.best_epoch)
        ended = running & (~finite | (now - best_epoch >= patience) | (now >= self._settings.epochs))
        return state._replace(
            best=[
                tf.where(better[:, None, None], new, old)
                for new, old in zip(state.variables[: len(self._joined)], state.best, strict=True)
            ],
            best_loss=tf.where(better, held, state.best_loss),
            best_epoch=best_epoch,
            ended=tf.where(ended, now, state.ended),
            diverged=tf.where(running & ~finite, now, state.diverged),
            epoch=now,
        )

    def _train(self, variables: list[Any], batches: Any, steps: Any, rows: Rows) -> tuple[list[Any], Any, Any]:
        def chunk(number: Any, *carried: Any) -> Any:
            values, real = _gather(batches[number], rows)
            first = number * CHUNK

            def step(number: Any, total: Any, seen: Any, variables: list[Any]) -> Any:
                variables, loss, count = self._step(variables, values[number - first], real[number - first], rows)
                return number + 1, total + loss, seen + count, variables

            last = tf.minimum(first + CHUNK, steps)
            return number + 1, *tf.while_loop(lambda number, *_: number < last, step, (first, *carried))[1:]

        none = tf.zeros(batches.shape[2:3], rows.table.dtype)
        start = (0, none, none, variables)
        _, loss, seen, variables = tf.while_loop(lambda number, *_: number * CHUNK < steps, chunk, start)
        return variables, loss, seen

    def _monitor(self, variables: list[Any], chunks: Any, rows: Rows) -> tuple[Any, Any]:
        def chunk(number: Any, total: Any, seen: Any) -> Any:
            values, real = _gather(rows.monitored[number], rows)
            with keras.StatelessScope(state_mapping=self._mapping(variables)):
                loss = self._row_losses(values, training=False) * real
            return number + 1, total + tf.reduce_sum(loss, axis=1), seen + tf.reduce_sum(real, axis=1)

        none = tf.zeros((rows.monitored.shape[1],), rows.table.dtype)
        return tf.while_loop(lambda number, *_: number < chunks, chunk, (0, none, none))[1:]

    def _step(self, variables: list[Any], values: Any, real: Any, rows: Rows) -> tuple[list[Any], Any, Any]:
        count = tf.reduce_sum(real, axis=1)
        with keras.StatelessScope(state_mapping=[*self._mapping(variables), (self._rates, rows.rates)]) as scope:
            weights = [tf.convert_to_tensor(variable) for variable in self._stacked.trainable_variables]
            with tf.GradientTape() as tape:
                tape.watch(weights)
                loss = tf.reduce_sum(self._row_losses(values, training=True) * real, axis=1)
                objective = tf.reduce_sum(loss / tf.maximum(count, 1))
                if self._penalized:
                    objective += tf.add_n([tf.reduce_sum(rows.penalties * kernel**2) for kernel in weights[::2]])
            self._optimizer.apply(self._joint.join(tape.gradient(objective, weights)), self._joined)
        return [scope.get_current_value(variable) for variable in self._variables], loss, count

    def _mapping(self, variables: list[Any]) -> list[tuple[Any, Any]]:
        weights = self._joint.parts(variables[: len(self._joined)])
        return list(zip([*self._stacked.trainable_variables, *self._variables], [*weights, *variables], strict=True))

    def _row_losses(self, values: Any, training: bool) -> Any:
        outputs = self._stacked(values[..., :-1], training=training)
        return keras.losses.get(self._settings.loss)(values[..., -1:], outputs)


def _gather(numbers: Any, rows: Rows) -> tuple[Any, Any]:
    real = tf.cast(numbers >= 0, rows.table.dtype)
    return (tf.gather(rows.table, tf.maximum(numbers, 0)) - rows.center) / rows.scale, real


def _optimizer(settings: Settings, rates: keras.Variable) -> Any:
    """Return the Keras optimizer with a rate for each replica, pure in a StatelessScope.

    On TensorFlow, Keras' optimizers assign to variables behind the scope's back for the sake of tf.distribute; the
    methods that every backend shares do not.
    """
    known = type(keras.optimizers.get(settings.optimizer))
    shared = ("assign", "assign_add", "assign_sub", "_backend_update_step", "_apply_weight_decay", "_var_key")
    stateless = type(known.__name__, (known,), {name: getattr(BaseOptimizer, name) for name in shared})
    options = {"momentum": settings.momentum} if settings.momentum else {}
    decay = keras.optimizers.schedules.CosineDecay(1.0, settings.epochs * settings.steps)
    return stateless(learning_rate=_Rates(rates, decay if settings.schedule == "cosine" else None), **options)


class _Rates(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate for each replica, `(lanes, 1, 1)`, all on the same schedule."""

    def __init__(self, rates: keras.Variable, decay: Any) -> None:
        super().__init__()
        self.rates = rates
        self.decay = decay

    def __call__(self, step: Any) -> Any:
        rates = tf.convert_to_tensor(self.rates)
        return rates if self.decay is None else rates * tf.cast(self.decay(step), rates.dtype)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("the rates of a stack are not saved")
