"""Models in MLflow: a Keras archive that `straightline.serving` loads, without pickled objects and without code."""

from collections.abc import Mapping, Sequence
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
from straightline.families import FAMILIES
from straightline.families.target import Target
from straightline.runtime.artifacts import write_json
from straightline.runtime.processes import temporary_folder
from straightline.serving.prediction import ARCHIVE, DESCRIPTION, Description

LOADER = "straightline.serving"
LIBRARIES = ("keras", "numpy", "pandas", "tensorflow")
TYPES = {"number": DataType.double, "date": DataType.string, "category": DataType.string}  # MLflow's CSV has no dates
TYPES_OF_VALUES = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
EXAMPLES = 5  # rows of the input example


class _Pyfunc:
    """mlflow.pyfunc without a test of the input example while logging, since that would import TensorFlow."""

    __name__ = "mlflow.pyfunc"

    @staticmethod
    def save_model(path: str, validate_serving_input: bool, **options: Any) -> None:
        mlflow.pyfunc.save_model(path=path, **options)


def log(archive: Path, digest: str, target: Target, features: Sequence[Feature], rows: pd.DataFrame) -> str:
    """Log the Keras archive with the SHA-256 `digest` to the active run; return the model's URI.

    `target` and `features` are those of schema.json. `rows` are training rows; the first ones are the input example.
    """
    with temporary_folder() as temporary:
        folder = temporary / "model"
        folder.mkdir()
        (folder / ARCHIVE).write_bytes(archive.read_bytes())
        write_json(folder / DESCRIPTION, Description(target, list(features), digest).to_json())
        logged = Model.log(
            artifact_path=None,
            flavor=_Pyfunc,
            name="model",
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(features, target),
            input_example=_example(rows, features),
            validate_serving_input=False,
            pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
        )
    return str(logged.model_uri)


def _signature(features: Sequence[Feature], target: Target) -> ModelSignature:
    inputs: list[ColSpec | TensorSpec] = [ColSpec(TYPES[feature.kind], feature.name) for feature in features]
    columns = FAMILIES[target.family].predicted_columns(target, np.zeros(1))
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(TYPES_OF_VALUES[type(value)], name) for name, (value,) in columns.items()
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(rows: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    kinds: dict[str, Any] = {"number": np.float64, "date": "string", "category": "string"}
    return rows.head(EXAMPLES).astype({feature.name: kinds[feature.kind] for feature in features})


def require_ours(folder: Path) -> None:
    """Raise UserError unless the MLmodel in `folder` is safe to load.

    It must name the loader of this package, or MLflow's loader for Keras, and it must not contain code.
    """
    path = folder / "MLmodel"
    try:
        flavors: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["flavors"]
        loader = flavors["python_function"]["loader_module"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        raise UserError(f"{path}: expected an MLmodel with a python_function, as `straightline track` writes") from None
    if loader not in (LOADER, "mlflow.keras") or not set(flavors) <= {"python_function", "keras"}:
        raise UserError(f"{path}: expected the loader {LOADER} or mlflow.keras, got {loader}; the model is refused")
    if any(flavor.get("code") for flavor in flavors.values()):
        raise UserError(f"{path}: brings code of its own, which would run here; the model is refused")
