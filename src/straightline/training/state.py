"""What `fit`, the feeds and the program hand to each other: settings of a descent, state and rows of a stack."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from straightline.families import Family


class State(NamedTuple):
    """The progress of a stack, as tensors whose first axis is the lane.

    `variables` are the joined weights (`stack.Joint`), then the state of dropout, the frozen weights, and the variables
    of the optimizer. `best` are the joined weights after the epoch with the lowest monitored loss, and `best_loss` is
    that loss. `since` is the number of epochs since then. If a loss is not finite, `since` is set to the patience of
    the replica. A replica whose `since` has reached its patience has ended.
    """

    variables: list[Any]
    best: Any
    best_loss: Any
    since: Any


class StackRows(NamedTuple):
    """The rows that a stack is trained on, and the numbers that differ between its replicas.

    `table` `(rows, columns + 1)` holds the columns and then the target, with more columns for weights and offsets, if
    there are any. `monitored` `(chunks, lanes, rows)` holds the numbers of the monitored rows in it, or -1 in empty
    places. If a table is streamed, both are None until a block has been read. `center` and `scale`, with a value for
    each column of the table, `(lanes, 1, columns + 1)`, standardize the rows for each replica. `rates` and `penalties`
    `(lanes, 1, 1)` are the learning rates and L2 penalties. `patience` `(lanes,)` is in epochs.
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
    """The settings of gradient descent that all replicas of a fit share.

    `family` defines the loss. `learning_rate` and `l2`, the penalty on the kernels, apply to replicas without values of
    their own. `momentum` applies to `sgd` and `rmsprop`. An epoch has `steps` batches of `batch_size` rows for every
    replica; a replica with few rows goes through them more than once per epoch. `patience` is the number of epochs
    without a better monitored loss after which a replica ends. `schedule` is `constant` or `cosine` (to 0 over all
    epochs; Loshchilov and Hutter 2017, eq. 5). `standardize` subtracts the mean of the replica's training rows from
    each column, and from a continuous target, and divides by their standard deviation. Without `center` nothing is
    subtracted, and the divisor is the root mean square.
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
