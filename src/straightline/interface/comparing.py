"""`straightline.compare`: a table, the column to predict, and the answer."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from straightline.config.table_options import TableOptions, command_line
from straightline.data.columns import require_column
from straightline.data.schema import WeightKind
from straightline.errors import UserError
from straightline.interface.comparison import Comparison
from straightline.interface.formula import Design, designed
from straightline.interface.frames import as_pandas, as_series, library_of
from straightline.interface.progress import shown
from straightline.interface.worker import run

SEEDS = ("data.seed", "folds.seed", "fit.seed")


def compare(
    data: Any,
    y: Any = None,
    *,
    target: str | None = None,
    formula: str | None = None,
    features: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    groups: str | None = None,
    time: str | None = None,
    family: str = "auto",
    reference: Any = None,
    weights: str | None = None,
    weights_are: WeightKind | None = None,
    exposure: str | None = None,
    offset: str | None = None,
    margin: float | None = None,
    confidence: float | None = None,
    effort: str | None = None,
    held_out: float | None = None,
    random_state: int | None = None,
    settings: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    baseline: str | None = None,
    folds: int = 10,
    repeats: int = 1,
    n_jobs: int | None = None,
    progress: bool = True,
) -> Any:
    """Find out whether a straight line is enough to predict a column, or whether a network is needed.

    `data` is a table of pandas, polars or pyarrow with the column `target`, or the columns to predict from with the
    target in `y` `(rows,)`; NumPy arrays are taken too. The other arguments are the options of `straightline run`:
    columns to use (`features`) or to leave out (`exclude`), columns of numbers that are categories, a column of
    `groups` whose rows stay together, a column of `time` that orders the rows, the `family` of the target with its
    `reference` class, columns of `weights`, of `exposure` and of `offset`, the `margin` (a share of the straight line's
    loss below which a difference does not matter), the `confidence`, the `effort` (`single`, `quick`, `standard` or
    `thorough`), and the share of rows to hold out. `random_state` sets all seeds, and `settings` are settings by their
    dotted names, such as {"models.neural.hidden": [64, 64]}. With `progress`, a line shows how far it has come.

    A `formula` such as "price ~ size * C(city)" names the target and the columns in its place (formulaic's grammar,
    close to R's). Its columns are what all models see. It needs the extra `formula`.

    The models train in another process. The result equals that of `straightline run` for the same rows and settings.

    With `models`, a mapping of names to scikit-learn estimators, these are compared instead, in this process, on the
    same folds and with the same test; `baseline` names the one that the others have to beat. They are divided into
    `folds`, `repeats` times, and `n_jobs` of them are fitted at once. The result is a `Verdict`.

    Raises UserError for options or a table that cannot be used.

    Examples
    --------
    >>> import numpy as np, straightline as sl
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.dummy import DummyRegressor
    >>> x = np.linspace(-1, 1, 60)[:, np.newaxis]
    >>> noise = np.random.default_rng(0).normal(size=60)
    >>> models = {"line": LinearRegression(), "mean": DummyRegressor()}
    >>> sl.compare(x, 5 * x[:, 0] + noise, models=models, baseline="line").answer
    'yes'
    """
    design = None
    if formula is not None:
        given = {"y": y, "target": target, "features": features, "exclude": exclude, "categorical": categorical}
        design, frame, name = _by_formula(formula, as_pandas(data), given, (groups, time, weights, exposure, offset))
    else:
        frame, name = _table(data, y, target)
    if models is not None:
        others = {"exposure": exposure, "offset": offset, "effort": effort, "held_out": held_out, "settings": settings}
        _refuse_any(others | {"reference": reference, "categorical": categorical})
        from straightline.interface.estimators import Columns, Rules, compared

        used = Columns(name, _features(frame, features, exclude, (name, groups, time, weights)), groups, time, weights)
        level = 0.95 if confidence is None else confidence
        rules = Rules(folds, repeats, 0.05 if margin is None else margin, level, random_state or 0)
        return compared(frame, used, weights_are, family, models, baseline, rules, n_jobs)
    columns = {"features": features, "exclude": exclude, "categorical": categorical}
    values = {"groups": groups, "held_out": held_out, "weights": weights, "weights_are": weights_are}
    table: dict[str, Any] = {key: list(value) for key, value in columns.items() if value is not None}
    table |= {key: value for key, value in values.items() if value is not None}
    table |= {} if time is None else {"split": "time", "time": time}
    of_target = {"reference": None if reference is None else str(reference), "exposure": exposure, "offset": offset}
    changed = {"effort": effort, "verdict.margin": margin, "verdict.confidence": confidence}
    if design is not None and not design.has_intercept:
        changed["models.regression.intercept"] = False
    changed |= dict.fromkeys(SEEDS, random_state) | dict(settings or {})
    with tempfile.TemporaryDirectory(prefix="straightline-") as folder:
        file = Path(folder) / "table.parquet"
        options = TableOptions(
            file,
            [name],
            family,
            {key: value for key, value in of_target.items() if value is not None},
            table,
            [f"{key}={_hydra(value)}" for key, value in changed.items() if value is not None],
        )
        out = Path(folder) / "answer"
        _run(frame, options, out, progress)
        return Comparison.of_folder(out, library_of(data), design)


def _run(frame: pd.DataFrame, options: TableOptions, out: Path, progress: bool) -> None:
    try:
        frame.to_parquet(options.file)
    except (TypeError, ValueError, OverflowError) as error:  # pyarrow has no type for a column of mixed values.
        raise UserError(f"the table cannot be written as Parquet: {' '.join(str(error).split())}") from None
    arguments = [*shlex.split(command_line(options))[1:], "--out", str(out)]
    with shown(progress) as show:
        run(arguments, show)


def _by_formula(
    formula: str, frame: pd.DataFrame, given: Mapping[str, Any], columns: Sequence[str | None]
) -> tuple[Design, pd.DataFrame, str]:
    """Return the design of the formula, the table of its columns with its target and `columns`, and the target."""
    for name, value in given.items():
        if value is not None:
            raise UserError(f"compare: expected a formula or {name}, got both; the formula names target and columns")
    design, table, target = designed(formula, frame)
    if target is None:
        raise UserError(f"compare: the formula {formula!r} has no left side; expected one such as 'price ~ size'")
    kept = [name for name in columns if name is not None and name not in table.columns]
    for name in kept:
        require_column(frame, name, "compare")
    return design, pd.concat([table, frame[kept], target], axis=1), str(target.name)


def _refuse_any(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise UserError(f"compare: {name} means nothing to the estimators in models; leave it out")


def _features(
    frame: pd.DataFrame, features: Sequence[str] | None, exclude: Sequence[str] | None, others: Sequence[str | None]
) -> list[str]:
    """Return the columns that estimators predict from: `features`, or all but those in `exclude` and `others`."""
    chosen = features if features is not None else [name for name in frame.columns if name not in others]
    return [name for name in chosen if name not in (exclude or ())]


def _table(data: Any, y: Any, target: str | None) -> tuple[pd.DataFrame, str]:
    """Return the table with the target, and the name of the target."""
    frame = as_pandas(data)
    if y is None:
        if target is None:
            raise UserError("compare: expected the name of the column to predict (target) or its values (y)")
        return frame, target
    values = as_series(y, target or "target")
    name = target or str(values.name)
    if len(values) != len(frame):
        raise UserError(f"compare: y has {len(values):,} rows, the table has {len(frame):,}")
    if name in frame.columns:
        raise UserError(f"compare: the table has a column {name!r} too; name the target otherwise (target=...)")
    return frame.assign(**{name: values}), name


def _hydra(value: Any) -> str:
    """Return a value in Hydra's syntax."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_hydra, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
