"""`straightline repair`: a dvc.lock that DVC had half written when it was killed."""

from pathlib import Path

from straightline.errors import UserError


def run(root: Path) -> None:
    """Remove dvc.lock below `root` if DVC cannot read it. Raises UserError where it can.

    `dvc repro` makes it again, and takes from its run-cache what had run; nothing is trained again.
    """
    import yaml
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    path = root / "dvc.lock"
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; nothing to repair") from None
    except (Invalid, yaml.YAMLError, UnicodeDecodeError):
        path.unlink()
        print("repair: dvc.lock was half written, and is removed; `dvc repro` makes it again from its cache")
        return
    raise UserError(f"{path}: is whole; nothing to repair")
