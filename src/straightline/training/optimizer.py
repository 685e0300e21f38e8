"""Keras' optimizers as a stack needs them: pure, and with a learning rate for each replica."""

from typing import Any

import keras
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer


def optimizer(name: str, momentum: float, rates: keras.Variable, decay_steps: int | None) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer `name` with the `rates` `(lanes, 1, 1)`, pure in a StatelessScope.

    The rates fall to 0 over `decay_steps` steps as a cosine (Loshchilov and Hutter 2017, eq. 5), or stay where that is
    None. On TensorFlow, Keras' optimizers assign to variables behind the scope's back for the sake of tf.distribute;
    the methods that every backend shares do not.
    """
    known = type(keras.optimizers.get(name))
    shared = ("assign", "assign_add", "assign_sub", "_backend_update_step", "_apply_weight_decay", "_var_key")
    stateless = type(known.__name__, (known,), {method: getattr(BaseOptimizer, method) for method in shared})
    options = {"momentum": momentum} if momentum else {}
    decay = None if decay_steps is None else keras.optimizers.schedules.CosineDecay(1.0, decay_steps)
    return stateless(learning_rate=_Rates(rates, decay), **options)


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
