"""`straightline predict`: predict new rows with a saved model."""

import io
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


def run(
    model: Path,
    rows: Path,
    out: Path | None,
    delimiter: str | None = None,
    decimal: str | None = None,
    sheet: str | None = None,
) -> None:
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
    name = folder.parent.name
    schema = read_schema(root)
    if name not in schema.targets:
        raise UserError(f"{folder}: {root / 'data/schema.json'} has no target of this name; train again")
    target, digest = schema.targets[name], _digest(folder / "weights.json", schema.digest(name), root)
    frame, _ = read_table(rows, delimiter, decimal, sheet)
    features = schema.encoding
    for note in _checked(frame, features, rows):
        say(f"predict: warning: {note}", is_error=True)

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
        _print(table.to_csv(index=False))
    else:
        write_csv(out.resolve(), table)
        say(f"predict: {len(table):,} rows to {out}")


def _print(text: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(escaped(text))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # A file of predictions is UTF-8 on every machine, as with --out.
    sys.stdout.write(text)


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


def _digest(path: Path, schema: str, root: Path) -> str:
    """Return the digest of the model that training recorded. Raises UserError unless it recorded that of the schema."""
    weights = read_json(path)
    digests = [weights.get(key) if isinstance(weights, dict) else None for key in ("digest", "schema")]
    if not all(isinstance(digest, str) for digest in digests):
        raise UserError(f"{path}: expected the weights that training wrote, with digests; train again")
    if digests[1] != schema:
        raise UserError(
            f"{root / 'data/schema.json'}: is not the schema that {path.parent} was trained with; train again, or get "
            "the file that belongs to it"
        )
    return str(digests[0])


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
