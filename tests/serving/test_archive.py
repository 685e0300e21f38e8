"""Archives of models: equal bytes for equal models, and no code inside."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from straightline.errors import UserError
from straightline.serving.archive import load_model, save_model
from tests.builders import neural


def test_archives_of_one_model_are_equal_byte_for_byte(tmp_path: Path) -> None:
    built = [neural(hidden=[3]).build(2, 1, "linear") for _ in range(2)]
    built[1].set_weights(built[0].get_weights())
    for number, model in enumerate(built):
        save_model(model, tmp_path / f"{number}.keras")
    assert (tmp_path / "0.keras").read_bytes() == (tmp_path / "1.keras").read_bytes()
    loaded = keras.models.load_model(tmp_path / "0.keras", safe_mode=True)
    rows = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(loaded(rows)), keras.ops.convert_to_numpy(built[0](rows)))


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(path, hashlib.sha256(path.read_bytes()).hexdigest())
    return str(caught.value)


def test_a_model_that_could_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    lambda_layer = keras.layers.Lambda(lambda values: values)
    save_model(keras.Sequential([keras.Input((2,)), lambda_layer]), path)
    assert "Lambda, expected Keras' own layers" in refused(path)

    @keras.saving.register_keras_serializable("mine")
    class Mine(keras.layers.Layer):
        pass

    save_model(keras.Sequential([keras.Input((2,)), Mine()]), path)
    assert "expected Keras' own layers" in refused(path)


def test_what_is_no_keras_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"not a zip")
    assert "is not a Keras archive" in refused(path)
    digest = save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    assert load_model(path, digest).input_shape == (None, 2)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("code.py", "print()")
    assert "got code.py, config.json" in refused(path)
    with pytest.raises(UserError, match="no such file"):
        load_model(tmp_path / "none.keras", "")


def test_an_archive_that_expands_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "has compressed parts" in refused(path)


def of_a_file(content: bytes, file: Path) -> bytes:
    """Let a layer take its words from `file`."""
    config = json.loads(content)
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "StringLookup":
            layer["config"]["vocabulary"] = str(file)
    return json.dumps(config).encode()


def linked(content: bytes, file: Path) -> bytes:
    """Let weights be those in another HDF5 file."""
    with h5py.File(file, "w") as other:
        other["secret"] = [[1.0], [2.0], [3.0]]
    with h5py.File(io.BytesIO(content), "r") as weights, h5py.File(file.with_suffix(".linked"), "w") as changed:
        for name in weights:
            weights.copy(name, changed)
        variables = changed["layers/dense/vars"]
        del variables["0"]
        variables["0"] = h5py.ExternalLink(str(file), "secret")
    return file.with_suffix(".linked").read_bytes()


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize(("part", "change"), [("config.json", of_a_file), ("model.weights.h5", linked)])
def test_a_model_reads_no_other_file(tmp_path: Path, part: str, change: Callable[[bytes, Path], bytes]) -> None:
    path, other = tmp_path / "model.keras", tmp_path / "other"
    other.write_text("secret\nwords\n")
    words = keras.Input((1,), dtype="string")
    levels = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(words)
    save_model(keras.Model(words, keras.layers.Dense(1, name="dense")(levels)), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part], other)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "Keras does not load it" in refused(path)
