"""Saves and loads Keras archives (`.keras`).

The bytes of a saved archive depend on the model alone. An archive is loaded only if its digest is the recorded one and
if it consists of Keras' own layers.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from straightline.errors import UserError
from straightline.runtime.artifacts import replacing

PARTS = {"config.json", "metadata.json", "model.weights.h5"}
# Objects in a config that are not layers: connections between layers, and constants.
STRUCTURE = {"nothing.__keras_tensor__", "nothing.__tensor__", "nothing.__numpy__"}
REFUSED = {"keras.layers.Lambda", "keras.layers.TorchModuleWrapper"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every file in an archive


def save_model(model: keras.Model, path: Path) -> str:
    """Write `model` to `path` and return the SHA-256 of the file.

    Dates are fixed. Shared objects are numbered by their first appearance instead of by their address in memory.
    """
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
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def load_model(path: Path, digest: str) -> keras.Model:
    """Return the model that `save_model` wrote with the SHA-256 `digest`.

    Raises UserError if the file is absent, if it differs from the file that training wrote, if Keras does not load
    it, or if it is no plain Keras archive: if it has other parts, or a layer that is not Keras' own or that runs code
    (Lambda).
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: no such file; expected a model.keras that training wrote") from None
    if (actual := hashlib.sha256(content).hexdigest()) != digest:
        raise UserError(
            f"{path}: its digest is {actual[:12]}, expected {digest[:12]}, which training recorded; train again, or "
            "get the file that belongs to weights.json"
        )
    _require_plain(path, content)
    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # Keras and TensorFlow raise many kinds for what they cannot build.
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: Keras does not load it ({reason}); expected a model.keras that training wrote"
        ) from None


def _require_plain(path: Path, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise UserError(f"{path}: has compressed parts, which may expand to any size; training writes none")
            config = json.loads(archive.read("config.json"))
    except UserError:
        raise
    except Exception:  # zipfile, zlib and json raise many kinds for damaged files.
        raise UserError(f"{path}: is not a Keras archive; expected a model.keras that training wrote") from None
    if names != PARTS:
        raise UserError(f"{path}: expected the parts {', '.join(sorted(PARTS))}, got {', '.join(sorted(names))}")
    for kind in _kinds(config):
        if kind in STRUCTURE:
            continue
        if kind in REFUSED or not kind.startswith(("keras.", "builtins.")):
            raise UserError(f"{path}: has {kind}, expected Keras' own layers; refused, since it may run code")


def _kinds(value: Any) -> Iterator[str]:
    """Yield the module and class of every object in a Keras config, as `module.class`."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield f"{value.get('module') or 'nothing'}.{value['class_name']}"
        if value.get("registered_name") and not value.get("module"):
            yield f"registered.{value['registered_name']}"
        yield from (kind for child in value.values() for kind in _kinds(child))
    elif isinstance(value, list):
        yield from (kind for child in value for kind in _kinds(child))


def _edited(content: bytes, numbers: dict[int, int]) -> bytes:
    """Return JSON `content` in canonical form; `numbers` maps the ids of shared objects to their new numbers."""
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
