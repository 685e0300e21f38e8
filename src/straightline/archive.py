"""Keras archives (`.keras`) whose bytes depend on the model alone."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from straightline.artifacts import replacing

EPOCH = (1980, 1, 1, 0, 0, 0)


def save_model(model: keras.Model, path: Path) -> None:
    """Write `model` with fixed dates and with shared objects numbered by first appearance instead of by address."""
    with replacing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            entries = {name: archive.read(name) for name in sorted(archive.namelist())}
        entries["metadata.json"] = _edited(entries["metadata.json"], {})
        entries["config.json"] = _edited(entries["config.json"], {})
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in entries.items():
                archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
        temporary.write_bytes(buffer.getvalue())


def _edited(content: bytes, numbers: dict[int, int]) -> bytes:
    return json.dumps(_canonical(json.loads(content), numbers), sort_keys=True).encode()


def _canonical(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, list):
        return [_canonical(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    fixed = {key: _canonical(item, numbers) for key, item in value.items()}
    if "shared_object_id" in fixed:
        fixed["shared_object_id"] = numbers.setdefault(fixed["shared_object_id"], len(numbers))
    if "date_saved" in fixed:
        fixed["date_saved"] = "1980-01-01@00:00:00"
    return fixed
