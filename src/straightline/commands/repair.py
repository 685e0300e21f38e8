"""`straightline repair`: remove dvc.lock if DVC was killed while it wrote the file."""

from pathlib import Path

from straightline.errors import UserError


def run(root: Path) -> None:
    """Remove dvc.lock below `root` if DVC cannot read it. Raises UserError if there is nothing to repair.

    `dvc repro` then writes it again. Finished stages come from DVC's run cache, so nothing is trained again.
    """
    import yaml
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    path = root / "dvc.lock"
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist; nothing to repair") from None
    except (Invalid, yaml.YAMLError, UnicodeDecodeError):
        path.unlink()
        print("repair: dvc.lock was incomplete and is removed; `dvc repro` writes it again from its cache")
        return
    raise UserError(f"{path}: is complete; nothing to repair")
