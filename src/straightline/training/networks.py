"""Keras models of networks, built once for each shape, so that later fits of a shape compile nothing."""

import json
from dataclasses import asdict, replace
from functools import lru_cache

import keras

from straightline.data.training_table import TrainingTable
from straightline.models import Neural

SHAPES = 64  # shapes that are kept


def built(network: Neural, inputs: int, output_activation: str, dtype: str) -> keras.Sequential:
    """Return the model that `network.build` returns.

    Its weights have no meaning: fits have initial weights of their own. Networks that differ in learning rate and
    penalty only have the same model, since these belong to the replicas of a fit.
    """
    shape = asdict(replace(network, learning_rate=1.0, l2=0.0, selected_from=1))
    return _built(type(network), json.dumps(shape), inputs, output_activation, dtype)  # type: ignore[arg-type]


def built_pair(network: Neural, table: TrainingTable, dtype: str) -> tuple[keras.Sequential, keras.Sequential]:
    """Return the model to train, whose output is the linear predictor, and the model to predict with."""
    inputs = len(table.names)
    return built(network, inputs, "linear", dtype), built(network, inputs, table.family.activation, dtype)


@lru_cache(maxsize=SHAPES)
def _built(kind: type[Neural], shape: str, inputs: int, output_activation: str, dtype: str) -> keras.Sequential:
    return kind(**json.loads(shape)).build(inputs, output_activation, dtype)
