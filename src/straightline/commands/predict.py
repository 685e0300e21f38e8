"""`straightline predict`: predict new rows with a saved model."""

import sys
from pathlib import Path

import pandas as pd

from straightline.data import encoding
from straightline.data.reading import read_table
from straightline.data.schema import Feature, read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json, write_csv
from straightline.serving.prediction import predicted_columns


def run(model: Path, rows: Path, out: Path | None, delimiter: str | None = None, decimal: str | None = None) -> None:
    """Write the predictions of `model` for the table `rows` as CSV, to `out` or to stdout.

    `model` is a file model.keras or its folder. The predictions are in a column with the name of the target. For a
    binary target, another column has the probability of its second class. If `delimiter` or `decimal` is None, it is
    detected. Raises UserError if the rows lack a column or have another type, or if the model was changed after
    training.
    """
    folder = model if model.is_dir() else model.parent
    root = folder.parents[2]
    for path in (root / "data/schema.json", folder / "weights.json"):
        _require(folder, path)
    schema, weights = read_schema(root), read_json(folder / "weights.json")
    frame, _ = read_table(rows, delimiter, decimal)
    features = schema.encoding
    for note in _checked(frame, features, rows):
        print(f"predict: warning: {note}", file=sys.stderr)
    target = schema.targets.get(folder.parent.name)
    if target is None:
        raise UserError(f"{folder}: {root / 'data/schema.json'} has no target of this name; train again")

    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model
    from straightline.serving.encoder import predictions

    fitted = load_model(folder / "model.keras", weights["digest"])
    try:
        table = predicted_columns(target, predictions(fitted, frame, features))
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    if out is None:
        table.to_csv(sys.stdout, index=False)
    else:
        write_csv(out, table)
        print(f"predict: {len(table):,} rows to {out}")


def _checked(frame: pd.DataFrame, features: list[Feature], rows: Path) -> list[str]:
    try:
        encoding.require(frame, features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    return encoding.unseen(frame, features)


def _require(folder: Path, path: Path) -> None:
    if not path.is_file():
        raise UserError(
            f"{folder}: expected a folder runs/<target>/<model> of a project or of `straightline run`, but there is "
            f"no {path}"
        )
