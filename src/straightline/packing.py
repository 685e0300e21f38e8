"""How replicas share stacks: how many fit in one, and how their states move to others."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from straightline import stack
from straightline.feed import Stack
from straightline.program import State

LANES = 32  # at most, in a stack: enough to share a step's overhead, few enough for dropping stacks
CACHE = 2**20  # bytes that a step's activations of a stack may take
THREADS = 2  # whatever the machine has: XLA runs such small programs on one core


def stack_size(replicas: int, step_bytes: int) -> int:
    """Return the size of which an even number of stacks holds all `replicas`, so that the threads share them alike."""
    lanes = int(np.clip(CACHE // step_bytes, 1, LANES))
    stacks = THREADS * -(-replicas // (THREADS * lanes))
    return -(-replicas // stacks)


def row_bytes(model: keras.Sequential) -> int:
    units = [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return (model.input_shape[-1] + sum(units)) * np.dtype(stack.dtype_of(model)).itemsize


def gathered(lanes: Sequence[NDArray], stacks: Sequence[Stack]) -> Iterator[State]:
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
