"""A model as MLflow keeps it: a Keras archive, loaded by `straightline.serving`; no pickle, no code of its own."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from straightline import store  # noqa: F401  first: it sets what MLflow reads when it is imported

# isort: split
import mlflow.pyfunc
import numpy as np
import pandas as pd
import yaml
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from straightline import encoding, serving
from straightline.artifacts import read_parquet, write_json
from straightline.encoding import Feature
from straightline.errors import UserError
from straightline.processes import temporary_folder
from straightline.results import Results, Variant

LOADER = "straightline.serving"
LIBRARIES = ("keras", "numpy", "pandas", "tensorflow")
TYPES = {"number": DataType.double, "date": DataType.string, "category": DataType.string}  # MLflow's CSV has no dates
CLASSES = {bool: DataType.boolean, int: DataType.long, float: DataType.double, str: DataType.string}
EXAMPLES = 5  # rows


class _Pyfunc:
    """mlflow.pyfunc, whose example is not tried out when it is logged: it would take TensorFlow."""

    __name__ = "mlflow.pyfunc"

    @staticmethod
    def save_model(path: str, validate_serving_input: bool, **options: Any) -> None:
        mlflow.pyfunc.save_model(path=path, **options)


def log(results: Results, variant: Variant) -> str:
    """Log the model of `variant` to the active run, with a signature of columns and an example; return its URI."""
    target = results.schema["targets"][variant.target]
    with temporary_folder() as made:
        folder = made / "model"
        folder.mkdir()
        (folder / serving.ARCHIVE).write_bytes((variant.folder / serving.ARCHIVE).read_bytes())
        description = {"target": target, "encoding": results.schema["encoding"], "digest": variant.weights["digest"]}
        write_json(folder / serving.DESCRIPTION, description)
        logged = Model.log(
            artifact_path=None,
            flavor=_Pyfunc,
            name="model",
            loader_module=LOADER,
            data_path=str(folder),
            signature=_signature(encoding.of_json(results.schema["encoding"]), target),
            input_example=_example(results.root, encoding.of_json(results.schema["encoding"])),
            validate_serving_input=False,
            pip_requirements=[f"{name}=={version(name)}" for name in LIBRARIES],
        )
    return str(logged.model_uri)


def _signature(features: Sequence[Feature], target: Mapping[str, Any]) -> ModelSignature:
    inputs: list[ColSpec | TensorSpec] = [ColSpec(TYPES[feature.kind], feature.name) for feature in features]
    outputs: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, target["column"])]
    if target["task"] == "binary":
        kind = CLASSES[type(target["classes"][1])]
        probability = f"probability of {target['classes'][1]}"
        outputs = [ColSpec(kind, target["column"]), ColSpec(DataType.double, probability)]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(root: Path, features: Sequence[Feature]) -> pd.DataFrame:
    rows = read_parquet(root / "data/train.parquet", columns=[one.name for one in features]).head(EXAMPLES)
    kinds: dict[str, Any] = {"number": np.float64, "date": "string", "category": "string"}
    return rows.astype({one.name: kinds[one.kind] for one in features})


def require_ours(folder: Path) -> None:
    """Raise UserError unless the MLmodel in `folder` names our loader, or MLflow's for Keras, and brings no code."""
    path = folder / "MLmodel"
    try:
        flavors: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["flavors"]
        loader = flavors["python_function"]["loader_module"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        raise UserError(f"{path}: expected an MLmodel with a python_function, as `straightline track` writes") from None
    if loader not in (LOADER, "mlflow.keras") or not set(flavors) <= {"python_function", "keras"}:
        raise UserError(f"{path}: expected the loader {LOADER} or mlflow.keras, got {loader}; such a model is refused")
    if any(flavor.get("code") for flavor in flavors.values()):
        raise UserError(f"{path}: brings code of its own, which would run here; such a model is refused")
