"""`straightline predict`: predict new rows with a saved model."""

import sys
from pathlib import Path

import pandas as pd

from straightline.data import encoding
from straightline.data.reading import read_table
from straightline.data.schema import Feature, read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json, write_csv
from straightline.runtime.folders import RESULT_FOLDERS
from straightline.runtime.terminal import escaped, say
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
    if out is not None and (problem := _obstacle(out.resolve(), rows, root)):
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
        text = table.to_csv(index=False)
        sys.stdout.write(escaped(text) if sys.stdout.isatty() else text)
    else:
        write_csv(out.resolve(), table)
        say(f"predict: {len(table):,} rows to {out}")


def _checked(frame: pd.DataFrame, features: list[Feature], rows: Path) -> list[str]:
    try:
        encoding.require(frame, features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    return encoding.unseen(frame, features)


def _obstacle(out: Path, rows: Path, root: Path) -> str | None:
    checks = {
        "is a folder": out.is_dir(),
        "is no ordinary file": out.exists() and not out.is_file(),
        "is the table of new rows": out == rows.resolve(),
        "is a result of the pipeline": any(out.is_relative_to(root / folder) for folder in RESULT_FOLDERS),
    }
    return next((problem for problem, is_found in checks.items() if is_found), None)


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
