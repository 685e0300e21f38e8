"""`straightline predict`: predict new rows with a saved model."""

import sys
from pathlib import Path

import pandas as pd

from straightline.data import encoding
from straightline.data.reading import read_table
from straightline.data.schema import Feature, read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json, write_csv
from straightline.runtime.terminal import say
from straightline.serving.prediction import ARCHIVE, predicted_columns


def run(model: Path, rows: Path, out: Path | None, delimiter: str | None = None, decimal: str | None = None) -> None:
    """Write the predictions of `model` for the table `rows` as CSV, to `out` or to stdout.

    `model` is a file model.keras or its folder. The predictions are in a column with the name of the target. For a
    binary target, another column has the probability of its second class. If `delimiter` or `decimal` is None, it is
    detected. Raises UserError if the rows lack a column or have another type, or if the model was changed after
    training.
    """
    folder = _folder(model)
    root = folder.parents[2]
    if out is not None and (out.is_dir() or out.resolve() == rows.resolve()):
        problem = "is a folder" if out.is_dir() else "is the table of new rows"
        raise UserError(f"--out: {out} {problem}; expected the name of a CSV file to write")
    schema, digest = read_schema(root), _digest(folder / "weights.json")
    frame, _ = read_table(rows, delimiter, decimal)
    features = schema.encoding
    for note in _checked(frame, features, rows):
        say(f"predict: warning: {note}", is_error=True)
    target = schema.targets.get(folder.parent.name)
    if target is None:
        raise UserError(f"{folder}: {root / 'data/schema.json'} has no target of this name; train again")

    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model
    from straightline.serving.encoder import predictions

    fitted = load_model(folder / ARCHIVE, digest)
    try:
        table = predicted_columns(target, predictions(fitted, frame, features))
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    if out is None:
        table.to_csv(sys.stdout, index=False)
    else:
        write_csv(out, table)
        say(f"predict: {len(table):,} rows to {out}")


def _checked(frame: pd.DataFrame, features: list[Feature], rows: Path) -> list[str]:
    try:
        encoding.require(frame, features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    return encoding.unseen(frame, features)


def _digest(path: Path) -> str:
    weights = read_json(path)
    digest = weights.get("digest") if isinstance(weights, dict) else None
    if not isinstance(digest, str):
        raise UserError(f"{path}: expected the weights that training wrote, with a digest; run `dvc repro`")
    return digest


def _folder(model: Path) -> Path:
    """Return the folder runs/<target>/<model> of a project that `model`, a file or a folder, stands for."""
    folder = (model.parent if model.name == ARCHIVE else model).resolve()
    root = folder.parents[2] if len(folder.parents) > 2 else folder
    for path in (root / "data/schema.json", folder / "weights.json"):
        if not path.is_file():
            raise UserError(
                f"{model}: expected a folder runs/<target>/<model> of a project or of `straightline run`, but there is "
                f"no {path}"
            )
    return folder
