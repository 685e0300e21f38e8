"""`straightline predict`: predict new rows with a saved model."""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from straightline.config.streams import received
from straightline.data import encoding
from straightline.data.columns import require_column
from straightline.data.notation import is_text
from straightline.data.reading import read_as_written, read_table
from straightline.data.row_values import new_offset
from straightline.data.schema import Feature, Schema, read_schema
from straightline.errors import UserError
from straightline.families import family_of
from straightline.families.target import Target
from straightline.formatting import listed
from straightline.runtime.artifacts import read_json, write_csv
from straightline.runtime.folders import RESULT_FOLDERS
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.terminal import escaped, say
from straightline.serving.held_out import read_held_out
from straightline.serving.intervals import half_width
from straightline.serving.prediction import ARCHIVE, predicted_columns
from straightline.serving.saved import Saved, find


@dataclass(frozen=True)
class Options:
    """What to predict, and what to write beside the predictions.

    `target` is the key or the column of a target, or None if there is only one. `identifier` is a column of the new
    rows that is written first, or None. `interval` is the probability of prediction intervals, or None for none.
    `delimiter`, `decimal` and `sheet` are those of `read_table`.
    """

    target: str | None = None
    identifier: str | None = None
    interval: float | None = None
    delimiter: str | None = None
    decimal: str | None = None
    sheet: str | None = None


def run(model: Path, rows: Path, out: Path | None, options: Options | None = None) -> None:
    """Write the predictions of `model` for the table `rows` as CSV, to `out` or to stdout.

    `model` is what `serving.saved.find` takes. The predictions are in a column with the name of the target. For a
    binary target, another column has the probability of its second class. A row with a blank cell in a column that had
    none in training gets blank predictions. Raises UserError if the rows lack a column or have another type, if no row
    can be predicted, or if the model was changed after training.
    """
    options = options or Options()
    saved = find(model, options.target)
    if out is not None and (problem := _obstacle(out.resolve(), rows, saved.root)):
        raise UserError(f"--out: {out} {problem}; expected the name of a CSV file to write")
    schema = read_schema(saved.root)
    target = _target(saved, schema)
    digest = _digest(saved.folder / "weights.json", schema.digest(saved.target), saved.root)
    width = None if options.interval is None else _half_width(saved, schema, options.interval)
    features, columns = schema.encoding, _written(target, width)
    offsets = [feature for feature in schema.offsets if feature.name in target.offset_columns]
    frame, identifiers = _read(rows, options, features, columns)
    is_complete = _complete(frame, [*features, *offsets], rows)
    values = {feature.name: encoding.raw(frame[is_complete], feature) for feature in offsets}
    offset = new_offset(frame[is_complete].assign(**values), target, str(rows))
    if saved.reason is not None:
        _tell(f"{saved.model} predicts {target.column}, as the verdict advises: {saved.reason}")

    _tell("loading the model, which takes a few seconds")
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import load_model
    from straightline.serving.encoder import predictions

    fitted = load_model(saved.folder / ARCHIVE, digest)
    try:
        predicted = predictions(fitted, frame[is_complete], features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    table = _with_blanks(predicted_columns(target, predicted, offset, width), is_complete)
    if identifiers is not None:
        table = pd.concat([identifiers.reset_index(drop=True), table], axis=1)
    if out is None:
        _print(table.to_csv(index=False))
    else:
        write_csv(out.resolve(), table)
        say(f"predict: {len(table):,} rows to {out}")


def _target(saved: Saved, schema: Schema) -> Target:
    if saved.target not in schema.targets:
        path = saved.root / "data/schema.json"
        raise UserError(f"{saved.folder}: {path} has no target of this name; train again")
    return schema.targets[saved.target]


def _written(target: Target, width: float | None) -> list[str]:
    """Return the names of the columns of predictions."""
    outputs = family_of(target).outputs
    nothing = np.empty(0 if outputs == 1 else (0, outputs + 1))
    return predicted_columns(target, nothing, None, width).columns.tolist()


def _half_width(saved: Saved, schema: Schema, level: float) -> float:
    target = schema.targets[saved.target]
    family = family_of(target)
    if not family.has_intervals:
        reason = (
            "has classes, and the probability beside each prediction says how sure it is"
            if target.classes
            else f"has {'counts' if family.is_count else 'amounts'}, whose spread grows with their mean, so that one "
            "width does not suit them all"
        )
        raise UserError(f"--interval: {target.column} {reason}; expected a target of numbers (family: gaussian)")
    try:
        held_out = read_held_out(saved.predictions)
    except FileNotFoundError:
        raise UserError(f"--interval: {saved.predictions} does not exist; run `dvc repro` first") from None
    width = half_width(held_out.truth - held_out.prediction, level)
    condition = "while later rows do not drift" if schema.split.by == "time" else "for new rows of the same kind"
    _tell(
        f"{100 * level:g} % intervals: ±{width:.4g} around each prediction, from the errors in {len(held_out):,} "
        f"held-out rows; they hold {condition}"
    )
    return width


def _read(
    rows: Path, options: Options, features: Sequence[Feature], written: Sequence[str]
) -> tuple[pd.DataFrame, pd.Series | None]:
    """Return the new rows, and the names of the rows as they stand in the file, or None."""
    with temporary_folder() as folder, received(rows, folder) as path:
        return _read_file(path, str(rows), options, features, written)


def _read_file(
    path: Path, rows: str, options: Options, features: Sequence[Feature], written: Sequence[str]
) -> tuple[pd.DataFrame, pd.Series | None]:
    frame, found = read_table(path, options.delimiter, options.decimal, options.sheet, rows)
    if found.delimiter is not None:
        frame = _with_words(frame, path, found.delimiter, features)
    name = options.identifier
    if name is None:
        return frame, None
    if name in written:
        raise UserError(f"--id: the predictions have a column {name!r} too; give another column of the new rows")
    require_column(frame, name, f"--id: {rows}")
    if found.delimiter is None:
        return frame, frame[name]
    return frame, read_as_written(path, [name], found.delimiter)[name].iloc[: len(frame)]


def _with_words(frame: pd.DataFrame, path: Path, delimiter: str, features: Sequence[Feature]) -> pd.DataFrame:
    """Return the rows with words as they stand in the file, where only these are known from the training rows.

    A new file may have 007 and false alone, which are words among the others of the training rows, and are read as a
    number and a truth value here.
    """
    known = {each.column: each.levels for each in features if each.kind == "category" and each.part is None}
    names = [name for name in known if name in frame.columns and not is_text(frame[name])]
    if not names:
        return frame
    written = read_as_written(path, names, delimiter).iloc[: len(frame)].set_index(frame.index)
    columns = {}
    for name in names:
        is_known = frame[name].notna() & written[name].isin(known[name])
        read = pd.Series(encoding.words(frame[name]), frame.index, dtype=object).where(frame[name].notna())
        columns[name] = read.mask(is_known, written[name])
    return frame.assign(**columns)


def _complete(frame: pd.DataFrame, features: list[Feature], rows: Path) -> NDArray[np.bool_]:
    """Return which rows can be predicted, and tell why others cannot."""
    try:
        blanks = encoding.blanks(frame, features)
    except UserError as error:
        raise UserError(f"{rows}: {error}") from None
    is_blank = np.any([*blanks.values(), np.zeros(len(frame), bool)], axis=0)
    columns = [f"{name!r} ({is_gap.sum():,})" for name, is_gap in blanks.items()]
    cells = f"blank cells in {listed(columns)}"
    if is_blank.all():
        raise UserError(f"{rows}: no row can be predicted: {cells}, which had none in training; fill them")
    if is_blank.any():
        first = int(is_blank.argmax()) + 1
        _tell(
            f"warning: {is_blank.sum():,} of {len(frame):,} rows get no prediction, first row {first}: {cells}, which "
            "had none in training"
        )
    complete = frame[~is_blank]
    for note in [*encoding.unseen(complete, features), *encoding.without_percent_signs(complete, features)]:
        _tell(f"warning: {note}")
    return ~is_blank


def _with_blanks(table: pd.DataFrame, is_complete: NDArray[np.bool_]) -> pd.DataFrame:
    """Return predictions for all rows, blank for those that are not complete. Classes stay what they are."""
    if is_complete.all():
        return table
    numbers = table.select_dtypes("float").columns
    kept = table.astype(dict.fromkeys(table.columns.difference(numbers), object))
    return kept.set_axis(np.flatnonzero(is_complete)).reindex(np.arange(len(is_complete)))


def _tell(text: str) -> None:
    say(f"predict: {text}", is_error=True)


def _print(text: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(escaped(text))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # A file of predictions is UTF-8 on every machine, as with --out.
    sys.stdout.write(text)


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
