"""The encoding of `encoding.py` as Keras layers, so that a saved model takes a table's own columns."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from straightline import encoding
from straightline.encoding import Feature


def with_encoding(model: keras.Model, features: Sequence[Feature]) -> keras.Model:
    """Return `model` `(rows, terms)` as one that takes the columns of `features`, each `(rows, 1)`, by name.

    Where all are numbers without gaps that is `model` itself.
    """
    if encoding.is_plain(features):
        return model
    inputs, encoded = {}, []
    for number, feature in enumerate(features):
        dtype = "string" if feature.kind == "category" else "float64"
        inputs[feature.name] = keras.Input((1,), dtype=dtype, name=f"column_{number}")
        encoded.append(_encoded(inputs[feature.name], feature, number))
    joined = keras.layers.Concatenate(dtype="float64", name="encoding")(encoded) if len(encoded) > 1 else encoded[0]
    return keras.Model(inputs, model(joined), name=model.name)


def predictions(model: keras.Model, frame: pd.DataFrame, features: Sequence[Feature]) -> Any:
    """Return what `model`, saved by training, predicts of the rows of `frame`, float64 `(rows,)`.

    Raises UserError where `frame` does not fit `features`.
    """
    if encoding.is_plain(features):
        rows: Any = encoding.matrix(frame, features)
    else:
        rows = {
            feature.name: keras.ops.convert_to_tensor(encoding.raw(frame, feature)[:, np.newaxis])
            for feature in features
        }
    return keras.ops.convert_to_numpy(model(rows))[:, 0].astype(np.float64)


def _encoded(column: Any, feature: Feature, number: int) -> Any:
    if feature.kind == "category":
        return _levels(column, feature, number)
    if feature.fill is None:
        return column
    gaps = keras.ops.isnan(column)
    filled = keras.ops.where(gaps, feature.fill, column)
    return keras.layers.Concatenate(dtype="float64", name=f"filled_{number}")([filled, keras.ops.cast(gaps, "float64")])


def _levels(column: Any, feature: Feature, number: int) -> Any:
    lookup = keras.layers.StringLookup(
        vocabulary=list(feature.levels), num_oov_indices=1, output_mode="one_hot", name=f"levels_{number}"
    )
    places = {encoding.OTHER: 0} | {level: place for place, level in enumerate(feature.levels, start=1)}
    shown = [*([encoding.OTHER] if feature.other else []), *feature.levels]
    chosen = [places[level] for level in shown if level != feature.reference]
    # A fixed layer that leaves the reference out: the words of Keras, so that a saved model needs no code of ours.
    choice = keras.layers.Dense(len(chosen), use_bias=False, trainable=False, dtype="float64", name=f"choice_{number}")
    choice.build((None, 1 + len(feature.levels)))
    choice.kernel.assign(np.eye(1 + len(feature.levels))[:, chosen])
    return choice(lookup(column))
