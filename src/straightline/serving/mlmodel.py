"""Models in MLflow: a Keras archive that `straightline.serving` loads, without pickled objects and without code."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from straightline.runtime.backend import import_mlflow

import_mlflow()

import mlflow.pyfunc
import numpy as np
import pandas as pd
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from straightline.data.schema import Feature
from straightline.errors import UserError
from straightline.families import family_of
from straightline.families.target import Target
from straightline.runtime.artifacts import write_json
from straightline.runtime.leftovers import temporary_folder
from straightline.serving.prediction import ARCHIVE, DESCRIPTION, Description
from straightline.serving.requirement import requirement

LOADER = "straightline.serving"
LIBRARIES = ("keras", "numpy", "pandas", "tensorflow")
TYPES = {"number": DataType.double, "date": DataType.string, "category": DataType.string}  # MLflow's CSV has no dates
TYPES_OF_VALUES = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
EXAMPLES = 5  # rows of the input example


@dataclass(frozen=True)
class Logged:
    """A model in MLflow: its URI, and two digests.

    `digest` is that of all files that were sent there; some of them hold names and times that MLflow gives. `model` is
    that of the archive and its description, so that the same model has the same one.
    """

    uri: str
    digest: str
    model: str


class _Pyfunc:
    """mlflow.pyfunc without a test of the input example while logging, since that would import TensorFlow.

    `digest` becomes that of the saved files before they are sent to the artifact store. The loader of the model is this
    package, so the requirements name it. They bring its wheel along unless an index has it: MLflow installs them in a
    container without git.
    """

    __name__ = "mlflow.pyfunc"
    digest = ""

    def save_model(self, path: str, validate_serving_input: bool, **options: Any) -> None:
        package = requirement("tensorflow", is_git_there=False)
        libraries = [f"{name}=={version(name)}" for name in LIBRARIES]
        mlflow.pyfunc.save_model(path=path, pip_requirements=[*libraries, *package.lines], **options)
        package.write_wheel(Path(path))
        self.digest = digest_of(Path(path))


def log(archive: Path, digest: str, target: Target, features: Sequence[Feature], rows: pd.DataFrame) -> Logged:
    """Log the Keras archive with the SHA-256 `digest` to the active run.

    `target` and `features` are those of schema.json. `rows` are training rows; the first ones are the input example.
    """
    flavor = _Pyfunc()
    with temporary_folder() as temporary:
        folder = temporary / "model"
        folder.mkdir()
        (folder / ARCHIVE).write_bytes(archive.read_bytes())
        write_json(folder / DESCRIPTION, Description(target, list(features), digest).to_json())
        model = digest_of(folder)
        logged = Model.log(
            artifact_path=None,
            flavor=flavor,
            name="model",
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(features, target),
            input_example=_example(rows, features, target),
            validate_serving_input=False,
        )
    return Logged(str(logged.model_uri), flavor.digest, model)


def digest_of(folder: Path) -> str:
    """Return one SHA-256 over the names and the bytes of all files in `folder`. Raises UserError if one is a link."""
    digests = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise UserError(f"{path}: is a link; a model consists of files only, so it is refused")
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _signature(features: Sequence[Feature], target: Target) -> ModelSignature:
    inputs: list[ColSpec | TensorSpec] = [ColSpec(TYPES[kind], name) for name, kind in _kinds(features, target).items()]
    family = family_of(target)
    columns = family.predicted_columns(
        target, family.inverse_link(np.zeros(1 if family.outputs == 1 else (1, family.outputs)))
    )
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(TYPES_OF_VALUES[type(value)], name) for name, (value,) in columns.items()
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(rows: pd.DataFrame, features: Sequence[Feature], target: Target) -> pd.DataFrame:
    kinds: dict[str, Any] = {"number": np.float64, "date": "string", "category": "string"}
    return rows.head(EXAMPLES).astype({name: kinds[kind] for name, kind in _kinds(features, target).items()})


def _kinds(features: Sequence[Feature], target: Target) -> dict[str, str]:
    """Return the kind of each column of the table that predictions need."""
    kinds = {feature.column: "date" if feature.part else str(feature.kind) for feature in features}
    return kinds | dict.fromkeys(target.offset_columns, "number")


def require_ours(folder: Path) -> None:
    """Raise UserError unless the MLmodel in `folder` names the loader of this package and brings no code."""
    path = folder / "MLmodel"
    try:
        flavors: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["flavors"]
        loader = flavors["python_function"]["loader_module"]
    except (OSError, KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError):
        raise UserError(f"{path}: expected an MLmodel with a python_function, as `straightline track` writes") from None
    if loader != LOADER or set(flavors) != {"python_function"}:
        raise UserError(f"{path}: expected only the loader {LOADER}, got {loader}; the model is refused")
    if flavors["python_function"].get("code"):
        raise UserError(f"{path}: brings code of its own, which would run here; the model is refused")
