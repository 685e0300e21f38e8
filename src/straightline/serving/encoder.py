"""The encoding of `data/encoding.py` as Keras layers, so that a saved model accepts the raw columns of a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras.src.ops.core import Cast
from keras.src.ops.numpy import Isnan, Where
from numpy.typing import NDArray

from straightline.data import encoding
from straightline.data.schema import OTHER, Feature
from straightline.errors import UserError

PREFIX = "encoding_"  # the names of the layers of the encoding start with it
TAKEN = ("regression", "quadratic", "neural", "upgraded", "averaged")  # names of the models, which no layer may have


def with_encoding(model: keras.Model, features: Sequence[Feature]) -> keras.Model:
    """Return a model that takes the raw columns of `features` by name, encodes them, and calls `model`.

    Each column is `(rows, 1)`; `model` takes the encoded terms `(rows, terms)`. If all columns are numbers without
    gaps, `model` itself is returned.
    """
    if encoding.is_plain(features):
        return model
    inputs, encoded = {}, []
    for number, (key, feature) in enumerate(zip(_keys(features), features, strict=True)):
        dtype = "string" if feature.kind == "category" else "float64"
        inputs[key] = keras.Input((1,), dtype=dtype, name=key)
        encoded.append(_encoded(inputs[key], feature, f"{PREFIX}{number}"))
    joined = keras.layers.Concatenate(dtype="float64", name=PREFIX)(encoded) if len(encoded) > 1 else encoded[0]
    return keras.Model(inputs, model(joined), name=model.name)


def _keys(features: Sequence[Feature]) -> list[str]:
    """Return the names of the columns, changed where necessary to valid and unique names of layers."""
    keys: list[str] = []
    for feature in features:
        key = feature.name.replace("/", "|")
        while key in keys or key in TAKEN or key.startswith(PREFIX):
            key = f"column_{key}"
        keys.append(key)
    return keys


def predictions(model: keras.Model, frame: pd.DataFrame, features: Sequence[Feature]) -> NDArray[np.float64]:
    """Return the predictions of `model`, saved by training, for the rows of `frame`: `(rows,)` or `(rows, classes)`.

    The index of `frame` holds the row numbers of the table, from 0. Raises UserError if the columns of `frame` do not
    fit `features`, or if a prediction is not a finite number.
    """
    columns = {feature.name: encoding.raw(frame, feature) for feature in features}
    try:
        predicted = predictions_of(model, columns, features)
    except ValueError as error:  # Keras and NumPy raise it for other inputs than the model has.
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the columns of the saved model are others than those of its schema: {reason}") from None
    is_finite = np.isfinite(predicted.reshape(len(predicted), -1)).all(axis=1)
    if not is_finite.all():
        at = int(is_finite.argmin())
        raise UserError(
            f"row {frame.index[at] + 1}: expected a finite prediction, got {predicted[at]}; are its numbers far larger "
            "than those of the training rows?"
        )
    return predicted


def predictions_of(
    model: keras.Model, columns: Mapping[str, NDArray], features: Sequence[Feature]
) -> NDArray[np.float64]:
    """Return the predictions of `model`, `(rows,)` or `(rows, classes)`.

    The `columns` are `(rows,)`, as `encoding.raw` returns them.
    """
    if encoding.is_plain(features):
        rows: Any = np.column_stack([columns[feature.name] for feature in features])
    else:
        rows = {
            key: keras.ops.convert_to_tensor(columns[feature.name][:, np.newaxis])
            for key, feature in zip(_keys(features), features, strict=True)
        }
    predicted: NDArray[np.float64] = keras.ops.convert_to_numpy(model(rows)).astype(np.float64)
    return predicted[:, 0] if predicted.shape[1] == 1 else predicted


def _encoded(column: Any, feature: Feature, name: str) -> Any:
    if feature.kind == "category":
        return _levels(column, feature, name)
    if feature.fill is None:
        return column
    # Operation objects can be named. Functions get automatic names, which differ from run to run.
    gaps = Isnan(name=f"{name}_isnan")(column)
    filled = Where(name=f"{name}_where")(gaps, feature.fill, column)
    missing = Cast("float64", name=f"{name}_cast")(gaps)
    return keras.layers.Concatenate(dtype="float64", name=f"{name}_filled")([filled, missing])


def _levels(column: Any, feature: Feature, name: str) -> Any:
    lookup = keras.layers.StringLookup(
        vocabulary=list(feature.levels), num_oov_indices=1, output_mode="one_hot", name=f"{name}_levels"
    )
    places = {OTHER: 0} | {level: place for place, level in enumerate(feature.levels, start=1)}
    levels = [*([OTHER] if feature.other else []), *feature.levels]
    chosen = [places[level] for level in levels if level != feature.reference]
    # A fixed Dense layer of Keras leaves out the reference level, so that a saved model needs no code of this package.
    choice = keras.layers.Dense(len(chosen), use_bias=False, trainable=False, dtype="float64", name=f"{name}_choice")
    choice.build((None, 1 + len(feature.levels)))
    choice.kernel.assign(np.eye(1 + len(feature.levels))[:, chosen])
    return choice(lookup(column))
