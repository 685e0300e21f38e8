"""`straightline predict`: a saved model on new rows."""

import sys
from pathlib import Path

import pandas as pd

from straightline.data import encoding
from straightline.data.reading import read_table
from straightline.data.schema import read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json, write_csv
from straightline.serving.prediction import predicted_columns


def run(model: Path, rows: Path, out: Path | None, delimiter: str | None = None, decimal: str | None = None) -> None:
    """Write what `model` (a model.keras, or its folder) predicts of the table `rows` as CSV, to `out` or to stdout.

    A continuous target gets a column of its name, a binary one the probability of its second class too. `delimiter` and
    `decimal` are found where they are None. Raises UserError where the rows lack a column or have another type, and
    where the model is not as training left it.
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
        raise UserError(f"{folder}: is for no target of {root / 'data/schema.json'}; train again")

    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model
    from straightline.serving.encoder import predictions

    fitted = load_model(folder / "model.keras", weights["digest"])
    table = predicted_columns(target, predictions(fitted, frame, features))
    if out is None:
        table.to_csv(sys.stdout, index=False)
    else:
        write_csv(out, table)
        print(f"predict: {len(table):,} rows to {out}")


def _checked(frame: pd.DataFrame, features: list[encoding.Feature], rows: Path) -> list[str]:
    try:
        encoding.require(frame, features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    return encoding.unseen(frame, features)


def _require(folder: Path, path: Path) -> None:
    if not path.is_file():
        raise UserError(
            f"{folder}: expected a folder runs/<target>/<model> of a project or of `straightline run`, but {path} is "
            "absent"
        )
