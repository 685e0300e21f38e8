"""The training loop: one compiled program an epoch, for a whole stack of replicas.

XLA compiles the loop over the batches of an epoch, with a Keras model, loss and optimizer inside, together with the
loss on the monitored rows. A step of a small network costs microseconds that way instead of the milliseconds of
`model.fit`, and stacked replicas share what is left of the overhead (docs/log.md).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline import scaling, stack
from straightline.batches import Replica, epoch_batches, monitor_batches
from straightline.errors import UserError
from straightline.scaling import Scaling

OnEpoch = Callable[[int, NDArray], None]


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
    scalings = [_scaling(features[replica.train], labels[replica.train], settings) for replica in replicas]
    # Scaled once in float64 over all rows, since a column far from zero would lose its digits in float32.
    overall = _scaling(features, labels, settings)
    scaled = _Data(
        overall,
        ((features - overall.center) / overall.scale).astype(stack.dtype_of(model)),
        ((labels - overall.target_center) / overall.target_scale).astype(stack.dtype_of(model))[:, np.newaxis],
    )
    numbers = range(len(replicas))
    halves = [half for half in (numbers[::2], numbers[1::2]) if half]

    def run(half: Sequence[int]) -> list[Fitted]:
        return _fit_stack(
            model,
            scaled,
            [replicas[number] for number in half],
            [scalings[number] for number in half],
            settings,
            on_epoch,
        )

    fitted: dict[int, Fitted] = {}
    # XLA runs such small programs on one core; two threads whatever the machine has keep results the same everywhere.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for half, outcomes in zip(halves, pool.map(run, halves), strict=True):
            fitted.update(zip(half, outcomes, strict=True))
    return [fitted[number] for number in numbers]


def _scaling(features: NDArray, labels: NDArray, settings: Settings) -> Scaling:
    if not settings.standardize:
        return scaling.unscaled(features.shape[1])
    return scaling.standardization(features, labels, scale_target=settings.loss != "binary_crossentropy")


@dataclass(frozen=True)
class _Data:
    """All rows, scaled by `scaling` and cast to the model's dtype."""

    scaling: Scaling
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
            monitor_batches([replica.monitored for replica in replicas]),
            data.features,
            data.labels,
            *scaling.stacked([scaling.relative(own, data.scaling) for own in scalings], data.features.dtype),
        )
    ]
    units = np.array([own.target_scale for own in scalings]) ** 2
    stoppable = np.array([len(replica.validation) > 0 for replica in replicas])
    shuffles = [np.random.default_rng([replica.seed, 1]) for replica in replicas]
    progress = _Progress(
        stacked.get_weights(), np.full(count, np.inf), np.zeros(count, int), np.full(count, settings.epochs), [], []
    )
    for epoch in range(1, settings.epochs + 1):
        batches = [
            epoch_batches(replica.train, settings.batch_size, settings.steps, random)
            for replica, random in zip(replicas, shuffles, strict=True)
        ]
        loss, monitored = program(tf.constant(np.stack(batches, axis=1)), *constants)
        running = progress.last_epoch >= epoch
        _advance(progress, epoch, running, stacked.get_weights(), loss.numpy() * units, monitored.numpy() * units)
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


def _result(progress: _Progress, number: int, steps: int, scaled: Scaling) -> Fitted:
    last = int(min(progress.last_epoch[number], len(progress.losses)))
    return Fitted(
        weights=stack.unstack_weights(progress.best, number),
        scaling=scaled,
        best_epoch=int(progress.best_epoch[number]),
        losses=np.array([loss[number] for loss in progress.losses[:last]], dtype=np.float64),
        monitored=np.array([loss[number] for loss in progress.monitored[:last]], dtype=np.float64),
        steps=steps * last,
    )


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
    def epoch(batches: Any, monitored: Any, features: Any, labels: Any, *scales: Any) -> Any:
        def losses(rows: Any) -> tuple[Any, Any]:
            real = tf.cast(rows >= 0, features.dtype)
            rows = tf.maximum(rows, 0)
            inputs, truth = tf.gather(features, rows), tf.gather(labels, rows)
            if settings.standardize:
                inputs, truth = (inputs - scales[0]) / scales[1], (truth - scales[2]) / scales[3]
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
