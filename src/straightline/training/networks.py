"""Keras models of networks, built once for each shape, so that later fits of a shape compile nothing."""

import json
from dataclasses import asdict, replace
from functools import lru_cache

import keras

from straightline.models import Neural

SHAPES = 64  # shapes that are kept


def built(network: Neural, inputs: int, outputs: int, dtype: str) -> keras.Sequential:
    """Return the model that `network.build` returns, whose output are linear predictors.

    Its weights have no meaning: fits have initial weights of their own. Networks that differ in learning rate and
    penalty only have the same model, since these belong to the replicas of a fit.
    """
    shape = asdict(replace(network, learning_rate=1.0, l2=0.0, selected_from=1))
    return _built(type(network), json.dumps(shape), inputs, outputs, dtype)  # type: ignore[arg-type]


@lru_cache(maxsize=SHAPES)
def _built(kind: type[Neural], shape: str, inputs: int, outputs: int, dtype: str) -> keras.Sequential:
    return kind(**json.loads(shape)).build(inputs, outputs, "linear", dtype)
