"""Keras optimizers as a stack needs them: free of side effects, and with a learning rate for each replica."""

from typing import Any

import keras
import tensorflow as tf
from keras.src.optimizers.base_optimizer import BaseOptimizer


def optimizer(name: str, momentum: float, rates: keras.Variable, decay_steps: int | None) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer `name` with the learning rates `rates` `(lanes, 1, 1)`.

    With `decay_steps`, the rates fall to 0 over that many steps as a cosine (Loshchilov and Hutter 2017, eq. 5). With
    None they stay constant.

    The optimizer has no side effects in a `keras.StatelessScope`. On TensorFlow, Keras' optimizers bypass the scope and
    assign to the variables themselves, for the sake of tf.distribute. The methods that all backends share do not, so
    they replace those of TensorFlow here.
    """
    optimizer_class = type(keras.optimizers.get(name))
    shared = ("assign", "assign_add", "assign_sub", "_backend_update_step", "_apply_weight_decay", "_var_key")
    methods = {method: getattr(BaseOptimizer, method) for method in shared}
    stateless = type(optimizer_class.__name__, (optimizer_class,), methods)
    options = {"momentum": momentum} if momentum else {}
    decay = None if decay_steps is None else keras.optimizers.schedules.CosineDecay(1.0, decay_steps)
    return stateless(learning_rate=_Rates(rates, decay), **options)


class _Rates(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate for each replica, `(lanes, 1, 1)`; all follow the same schedule."""

    def __init__(self, rates: keras.Variable, decay: Any) -> None:
        super().__init__()
        self.rates = rates
        self.decay = decay

    def __call__(self, step: Any) -> Any:
        rates = tf.convert_to_tensor(self.rates)
        return rates if self.decay is None else rates * tf.cast(self.decay(step), rates.dtype)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("the learning rates of a stack cannot be saved")
