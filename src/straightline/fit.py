"""The training loop: one compiled program an epoch, for a whole stack of replicas.

XLA compiles the loop over the batches of an epoch, with a Keras model, loss and optimizer inside, together with the
loss on the monitored rows. A step of a small network costs microseconds that way instead of the milliseconds of
`model.fit`, and stacked replicas share what is left of the overhead (docs/log.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline import stack
from straightline.errors import UserError
from straightline.folds import Rows

MONITOR_ROWS = 1024  # rows of a forward pass of the monitored loss: large for speed, small enough for the cache

OnEpoch = Callable[[int, NDArray], None]


@dataclass(frozen=True)
class Replica:
    """One fit: the rows to train on, those whose loss decides when to stop, and a seed.

    Without `validation` it runs all epochs, and the loss on the training rows decides which epoch was best.
    """

    train: Rows
    validation: Rows
    seed: int


@dataclass(frozen=True)
class Settings:
    """How a stack descends.

    `loss` is `mean_squared_error` or `binary_crossentropy`, `l2` the kernels' penalty. An epoch is `steps` batches,
    whatever the rows of a replica: one with few rows goes through them more than once. `schedule` is `constant` or
    `cosine` (Loshchilov and Hutter 2017, eq. 5, to 0 over all epochs). `standardize` takes from each column, and from
    a continuous target, the mean of the replica's training rows and divides by their deviation.
    """

    loss: str
    optimizer: str
    learning_rate: float
    schedule: str
    l2: float
    batch_size: int
    steps: int
    epochs: int
    patience: int
    standardize: bool


@dataclass(frozen=True)
class Scaling:
    """What was taken from the columns and the target, and what they were divided by: float64, `(columns,)` and one."""

    center: NDArray
    scale: NDArray
    target_center: float
    target_scale: float


@dataclass(frozen=True)
class Fitted:
    """What a replica ended with: its best weights and their epoch (from 1), and the losses of each epoch it ran.

    `weights` are those of the plain model between scaled columns and scaled target; the losses are in the target's
    own units. `losses` are means over an epoch's batches while the weights move, `monitored` those of the epoch's last
    weights on the rows that decide when to stop.
    """

    weights: stack.Weights
    scaling: Scaling
    best_epoch: int
    losses: NDArray
    monitored: NDArray
    steps: int


def fit(
    model: keras.Sequential,
    features: NDArray,
    labels: NDArray,
    replicas: Sequence[Replica],
    settings: Settings,
    on_epoch: OnEpoch = lambda epoch, losses: None,
) -> list[Fitted]:
    """Fit `model` (rows, inputs -> rows, 1) once for each replica; results do not depend on which others there are.

    `features` is `(rows, inputs)`, `labels` `(rows,)`, both float64. `on_epoch` is told the epoch and the monitored
    losses of the replicas that ran it, by two threads. Raises UserError where a loss is no longer finite.
    """
    scalings = [_scaling(features, labels, replica.train, settings) for replica in replicas]
    # Scaled once in float64 over all rows, since a column far from zero would lose its digits in float32.
    overall = _scaling(features, labels, np.arange(len(labels)), settings)
    scaled = _Data(
        ((features - overall.center) / overall.scale).astype(model.compute_dtype),
        ((labels - overall.target_center) / overall.target_scale).astype(model.compute_dtype)[:, np.newaxis],
    )
    numbers = range(len(replicas))
    halves = [half for half in (numbers[::2], numbers[1::2]) if half]

    def run(half: Sequence[int]) -> list[Fitted]:
        relative = [_relative(scalings[number], overall) for number in half]
        outcomes = _fit_stack(model, scaled, [replicas[number] for number in half], relative, settings, on_epoch)
        return [
            replace(
                outcome,
                scaling=scalings[number],
                losses=outcome.losses * scalings[number].target_scale ** 2,
                monitored=outcome.monitored * scalings[number].target_scale ** 2,
            )
            for number, outcome in zip(half, outcomes, strict=True)
        ]

    fitted: dict[int, Fitted] = {}
    # XLA runs such small programs on one core; two threads whatever the machine has keep results the same everywhere.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for half, outcomes in zip(halves, pool.map(run, halves), strict=True):
            fitted.update(zip(half, outcomes, strict=True))
    return [fitted[number] for number in numbers]


def _scaling(features: NDArray, labels: NDArray, rows: Rows, settings: Settings) -> Scaling:
    inputs = features.shape[1]
    if not settings.standardize:
        return Scaling(np.zeros(inputs), np.ones(inputs), 0.0, 1.0)
    own, target = features[rows], labels[rows]
    center, deviation = own.mean(axis=0), own.std(axis=0)
    scale = np.where(deviation > 1e-12 * np.abs(center), deviation, 1.0)
    if settings.loss == "binary_crossentropy":
        return Scaling(center, scale, 0.0, 1.0)
    return Scaling(center, scale, float(target.mean()), float(target.std()) or 1.0)


def _relative(scaling: Scaling, overall: Scaling) -> Scaling:
    return Scaling(
        (scaling.center - overall.center) / overall.scale,
        scaling.scale / overall.scale,
        (scaling.target_center - overall.target_center) / overall.target_scale,
        scaling.target_scale / overall.target_scale,
    )


@dataclass(frozen=True)
class _Data:
    features: NDArray
    labels: NDArray


@dataclass
class _Progress:
    """What a stack's replicas have reached; `best` holds stacked weights, replica by replica of its best epoch."""

    best: stack.Weights
    best_loss: NDArray
    best_epoch: NDArray
    last_epoch: NDArray
    losses: list[NDArray]
    monitored: list[NDArray]


def _fit_stack(
    model: keras.Sequential,
    data: _Data,
    replicas: Sequence[Replica],
    scalings: Sequence[Scaling],
    settings: Settings,
    on_epoch: OnEpoch,
) -> list[Fitted]:
    count = len(replicas)
    stacked = stack.stack(model, count)
    stacked.set_weights(stack.stack_weights([stack.initial_weights(model, replica.seed) for replica in replicas]))
    program = _program(stacked, settings)
    constants = [
        tf.constant(array)
        for array in (
            _monitor_batches(
                [replica.validation if len(replica.validation) else replica.train for replica in replicas]
            ),
            data.features,
            data.labels,
            *_stacked_scalings(scalings, data.features.dtype),
        )
    ]
    stoppable = np.array([len(replica.validation) > 0 for replica in replicas])
    shuffles = [np.random.default_rng([replica.seed, 1]) for replica in replicas]
    progress = _Progress(
        stacked.get_weights(), np.full(count, np.inf), np.zeros(count, int), np.full(count, settings.epochs), [], []
    )
    for epoch in range(1, settings.epochs + 1):
        batches = [
            _epoch_batches(replica.train, settings, random) for replica, random in zip(replicas, shuffles, strict=True)
        ]
        loss, monitored = program(tf.constant(np.stack(batches, axis=1)), *constants)
        running = progress.last_epoch >= epoch
        _advance(progress, epoch, running, stacked.get_weights(), loss.numpy(), monitored.numpy())
        on_epoch(epoch, progress.monitored[-1][running])
        progress.last_epoch[running & stoppable & (epoch - progress.best_epoch >= settings.patience)] = epoch
        if (progress.last_epoch <= epoch).all():
            break
    return [_result(progress, number, settings.steps, scalings[number]) for number in range(count)]


def _advance(
    progress: _Progress, epoch: int, running: NDArray, weights: stack.Weights, loss: NDArray, monitored: NDArray
) -> None:
    lost = running & ~(np.isfinite(loss) & np.isfinite(monitored))
    if lost.any():
        raise UserError(
            f"training diverged: the loss of {lost.sum()} of {len(lost)} replicas is not finite at epoch {epoch}; "
            "set a smaller learning_rate, or check the columns for extreme values"
        )
    progress.losses.append(loss)
    progress.monitored.append(monitored)
    better = running & (monitored < progress.best_loss)
    progress.best_loss = np.where(better, monitored, progress.best_loss)
    progress.best_epoch = np.where(better, epoch, progress.best_epoch)
    progress.best = [
        np.where(better[:, np.newaxis, np.newaxis], new, old) for new, old in zip(weights, progress.best, strict=True)
    ]


def _result(progress: _Progress, number: int, steps: int, scaling: Scaling) -> Fitted:
    last = int(min(progress.last_epoch[number], len(progress.losses)))
    return Fitted(
        weights=stack.unstack_weights(progress.best, number),
        scaling=scaling,
        best_epoch=int(progress.best_epoch[number]),
        losses=np.array([loss[number] for loss in progress.losses[:last]], dtype=np.float64),
        monitored=np.array([loss[number] for loss in progress.monitored[:last]], dtype=np.float64),
        steps=steps * last,
    )


def _stacked_scalings(scalings: Sequence[Scaling], dtype: Any) -> list[NDArray]:
    columns = [np.stack([getattr(scaling, name) for scaling in scalings]) for name in ("center", "scale")]
    target = [
        np.array([[getattr(scaling, name)] for scaling in scalings]) for name in ("target_center", "target_scale")
    ]
    return [array[:, np.newaxis].astype(dtype) for array in (*columns, *target)]


def _epoch_batches(rows: Rows, settings: Settings, random: np.random.Generator) -> NDArray[np.int32]:
    """Return row numbers `(steps, batch)`, every row once before any comes again; what a last batch lacks is -1."""
    passes, steps = [], 0
    while steps < settings.steps:
        passes.append(_in_batches(random.permutation(rows), settings.batch_size))
        steps += len(passes[-1])
    return np.concatenate(passes)[: settings.steps]


def _monitored(replica: Replica) -> Rows:
    return replica.validation if len(replica.validation) else replica.train


def _monitor_batches(rows: Sequence[Rows]) -> NDArray[np.int32]:
    """Return row numbers as `(steps, replicas, rows)`, -1 where a replica has no more."""
    longest = max(map(len, rows))
    padded = [np.concatenate([own, np.full(longest - len(own), -1, own.dtype)]) for own in rows]
    return np.stack([_in_batches(own, min(MONITOR_ROWS, longest)) for own in padded], axis=1)


def _in_batches(rows: Rows, size: int) -> NDArray[np.int32]:
    batches = np.full(-(-len(rows) // size) * size, -1, dtype=np.int32)
    batches[: len(rows)] = rows
    return batches.reshape(-1, size)


def _program(model: keras.Model, settings: Settings) -> Any:
    """Return a compiled function that moves `model` an epoch further and gives the losses of its replicas.

    It takes the batches and the monitored rows, features and labels, and the centers and scales of both; it returns
    the mean training loss and the loss on the monitored rows, both `(replicas,)`.
    """
    loss_of = keras.losses.get(settings.loss)
    optimizer = keras.optimizers.get({"class_name": settings.optimizer, "config": {}})
    optimizer.learning_rate = (
        keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * settings.steps)
        if settings.schedule == "cosine"
        else settings.learning_rate
    )
    optimizer.build(model.trainable_variables)
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, stack.StackedDense)]

    @tf.function(jit_compile=True, autograph=False)
    def epoch(batches: Any, monitored: Any, features: Any, labels: Any, *scaling: Any) -> Any:
        def losses(rows: Any) -> tuple[Any, Any]:
            real = tf.cast(rows >= 0, features.dtype)
            rows = tf.maximum(rows, 0)
            inputs, truth = tf.gather(features, rows), tf.gather(labels, rows)
            if settings.standardize:
                inputs, truth = (inputs - scaling[0]) / scaling[1], (truth - scaling[2]) / scaling[3]
            loss = loss_of(truth, model(inputs, training=True))
            return tf.reduce_sum(loss * real, axis=1), tf.reduce_sum(real, axis=1)

        def train(step: Any, total: Any, seen: Any) -> Any:
            with tf.GradientTape() as tape:
                loss, count = losses(batches[step])
                objective = tf.reduce_sum(loss / count)
                if settings.l2:
                    objective += settings.l2 * tf.add_n([tf.reduce_sum(kernel**2) for kernel in kernels])
            optimizer.apply(tape.gradient(objective, model.trainable_variables))
            return step + 1, total + loss, seen + count

        def monitor(step: Any, total: Any, seen: Any) -> Any:
            loss, count = losses(monitored[step])
            return step + 1, total + loss, seen + count

        none = tf.zeros((batches.shape[1],), features.dtype)
        _, loss, seen = tf.while_loop(lambda step, *_: step < batches.shape[0], train, (0, none, none))
        _, held, held_seen = tf.while_loop(lambda step, *_: step < monitored.shape[0], monitor, (0, none, none))
        return loss / seen, held / held_seen

    return epoch
