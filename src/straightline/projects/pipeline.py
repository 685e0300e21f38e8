"""dvc.yaml of a project: the stages of this package, and the models that DVC's registry knows by name."""

from collections.abc import Mapping
from typing import Any

import yaml

from straightline.projects.files import REQUIREMENTS, TEMPLATES


def pipeline(artifacts: Mapping[str, Any]) -> str:
    """Return dvc.yaml with `artifacts`; its stages depend on the version of the package instead of its modules."""
    return yaml.safe_dump({**_stages(), "artifacts": artifacts}, sort_keys=False, width=120, allow_unicode=True)


def _stages() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((TEMPLATES / "stages.yaml").read_text(encoding="utf-8"))
    for stage in stages["stages"].values():
        files = [path for path in stage["deps"] if not path.startswith("src/")]
        stage["deps"] = sorted([*files, REQUIREMENTS])
    return stages


def model_artifacts(models: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return DVC's artifacts for the `models` and `targets` of params.yaml: one by the name of each saved model.

    DVC allows letters and digits in such a name, and - and _ between them.
    """
    return {
        f"{target}-{model}": {
            "path": f"runs/{target}/{model}/model.keras",
            "type": "model",
            "desc": f"Keras model that predicts {values['column']}".replace("${", "\\${"),  # DVC would resolve it.
            "labels": ["keras", settings["kind"]],
        }
        for target, values in targets.items()
        for model, settings in models.items()
    }
