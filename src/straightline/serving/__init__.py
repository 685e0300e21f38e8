"""Saved models, and the interface by which MLflow loads and serves them.

Every registered model names this package as its `loader_module`, and MLflow calls the function `_load_pyfunc`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from straightline.serving.prediction import Predictor


def _load_pyfunc(path: str) -> Predictor:
    from straightline.serving.prediction import load

    return load(Path(path))
