"""`straightline sweep`: hundreds of configs of a network, ranked, and what the best is worth."""

import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from straightline import pictures, ranking, search
from straightline.adoption import adopt
from straightline.artifacts import md5, read_json, replacing, write_csv, write_json, write_text
from straightline.commands import run as command
from straightline.config import Config, load, parse
from straightline.errors import UserError
from straightline.space import Point, Space, space
from straightline.stages import compose, data

BATCHES = {"tpe": 32}  # configs that are asked for at once: few where the next ones learn from them
BATCH = 128


@dataclass(frozen=True)
class Options:
    """What to vary, in Hydra's words, and how: `table` and its column `target`, or the pipeline's target of that key.

    `sampler` and `trials` of None are a grid of all points, or TPE where there are intervals (`search.plan`). `engine`
    is `local` or `ray`, whose cluster is at `address`.
    """

    overrides: Sequence[str]
    table: Path | None
    target: str | None
    sampler: str | None
    trials: int | None
    storage: str | None
    seed: int
    name: str
    track: bool
    adopt: bool
    engine: str
    address: str | None


def run(root: Path, options: Options) -> None:
    """Write sweeps/<name>.csv, ranked, and sweeps/<name>.json, the winner's verdict, below `root`; print both.

    Raises UserError, before anything is trained, for overrides, options or rows that do not fit. Interrupted, it ends
    with what was found so far.
    """
    if not re.fullmatch(r"[\w-]+", options.name):
        raise UserError(f"--name: expected letters, digits, - and _, since files are called so; got {options.name!r}")
    if options.address is not None and options.engine != "ray":
        raise UserError("--address: expected --engine ray too, whose cluster is there")
    with _project(root, options) as (home, of):
        search.plan(options.sampler, options.trials, of)
        target = _target(home, of, options.target)
        _sweep(root, home, of, target, options)


@contextmanager
def _project(root: Path, options: Options) -> Iterator[tuple[Path, Space]]:
    """Yield the folder that has the rows, and the space."""
    if options.table is None:
        of = space(options.overrides, lambda fixed: yaml.safe_load(compose.render(root / "conf", fixed)))
        _require_rows(root, parse(of.base, "sweep"))
        yield root, of
        return
    if options.adopt:
        raise UserError("--adopt: expected the pipeline's rows, whose conf/ has the settings; leave --table out")
    if options.target is None:
        raise UserError("--table: expected --target too, the column to predict")
    file, column = options.table, options.target
    with tempfile.TemporaryDirectory(prefix="straightline-") as folder:
        of = space(options.overrides, lambda fixed: yaml.safe_load(command.settings(_of_table(file, column, fixed))))
        write_text(Path(folder) / "params.yaml", yaml.safe_dump(dict(of.base), allow_unicode=True))
        data.run(Path(folder))
        yield Path(folder), of


def _of_table(file: Path, column: str, fixed: Sequence[str]) -> command.Options:
    return command.Options(
        file=file,
        targets=[column],
        features=[],
        exclude=[],
        categorical=[],
        groups=None,
        split="chance",
        time=None,
        delimiter=None,
        decimal=None,
        task="auto",
        held_out=None,
        overrides=fixed,
    )


def _require_rows(root: Path, config: Config) -> None:
    made = load(root / "params.yaml")
    files = [root / "data" / name for name in ("schema.json", "train.parquet", "test.parquet")]
    if (made.data, made.targets) != (config.data, config.targets) or not all(file.is_file() for file in files):
        raise UserError("sweep: data/ is not there, or of other settings; run `dvc repro data` first")


def _target(home: Path, of: Space, asked: str | None) -> str:
    targets = read_json(home / "data/schema.json")["targets"]
    chosen = [key for key, own in targets.items() if asked in (None, key, own["column"])]
    if len(chosen) == 1:
        return str(chosen[0])
    raise UserError(f"--target: expected one of {', '.join(targets)}, got {asked or 'none'}")


def _sweep(root: Path, home: Path, of: Space, target: str, options: Options) -> None:
    from straightline.backend import import_tensorflow

    import_tensorflow()
    from straightline.stages.train import training_table

    with training_table(home, target, parse(of.base, "sweep").fit.held_rows) as table:
        tried, importances, interrupted = _searched(home, of, target, table, options)
        ranked = ranking.ranked(of, [(number, point, found) for number, (point, found) in tried.items()])
        write_csv(root / f"sweeps/{options.name}.csv", ranked)
        ranking.show(ranked)
        trained = ranked.dropna(subset=["loss"])
        if len(trained):
            with replacing(root / f"sweeps/{options.name}.png") as temporary:
                temporary.write_bytes(pictures.sweep(trained, importances))
        found = None
        if len(trained) and not interrupted:
            point, _ = tried[int(ranked["trial"].iloc[0])]
            found = _concluded(home, of, target, table, point, len(ranked))
            _write_verdict(root, of, options, point, found)
    if options.track:
        from straightline import sweep_tracking

        print(sweep_tracking.publish(root, options.name, ranked, of.base, found))
    if found is None:
        why = "interrupted" if interrupted else "no config could be trained; the last column says why"
        raise UserError(f"sweep: {why}; what was found is in sweeps/{options.name}.csv")
    if options.adopt:
        adopt(root / "conf", of, options.overrides, point, len(ranked))


def _searched(
    home: Path, of: Space, target: str, table: Any, options: Options
) -> tuple[dict[int, tuple[dict[str, Any], Mapping[str, Any]]], dict[str, float], bool]:
    """Return what was tried by number, the importances of what varied, and whether it was interrupted."""
    from straightline import trials

    sampler, count = search.plan(options.sampler, options.trials, of)
    rows = f"{target} {md5(home / 'data/train.parquet')}"
    name = search.study_name(of, f"{sampler} {options.seed}", rows)
    study = search.study(name, options.storage, sampler, of, count, options.seed)
    config = parse(of.base, "sweep")
    folds = config.folds
    parts = table.split.folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed)
    interrupted = False
    with (
        _trainer(options, table, of.model, parts, folds.seeds or 1) as trainer,
        ranking.shown(count, len(search.finished(study))) as (advance, on_progress),
    ):

        def evaluate(points: Sequence[Point]) -> list[dict[str, Any]]:
            found = trials.evaluated(trainer, of, points, on_progress)
            advance(found)
            return found

        # What learns from its batches must not depend on how many machines there are.
        at_once = BATCHES.get(sampler, BATCH * trainer.slots)
        batch = min(at_once, trainer.batch_size(config) * trainer.slots)
        known = search.remembered(options.storage)
        try:
            search.run(study, of, count, batch, partial(trials.identity, of, rows), evaluate, known)
        except KeyboardInterrupt:
            interrupted = True
    tried = {one.number: (one.params, one.user_attrs[search.FOUND]) for one in search.finished(study)}
    return tried, search.importances(study, of, options.seed), interrupted


def _trainer(options: Options, *of: Any) -> AbstractContextManager[Any]:
    if options.engine == "ray":
        from straightline import cluster

        return cluster.trainer(options.address, *of)
    from straightline.sweep import Trainer

    return nullcontext(Trainer(*of))


def _concluded(home: Path, of: Space, target: str, table: Any, point: Mapping[str, Any], tried: int) -> dict[str, Any]:
    from straightline import selection
    from straightline.encoding import matrix, of_json
    from straightline.progress import epochs_shown

    found, fitted = selection.verdict(table, of.config(point), of.model, tried, epochs_shown)
    schema = read_json(home / "data/schema.json")
    test = pd.read_parquet(home / "data/test.parquet")
    features = matrix(test, of_json(schema["encoding"]))
    labels = test[schema["targets"][target]["column"]].to_numpy(float)
    return found | {"held_out": selection.held_out(fitted, features, labels, table.task)}


def _write_verdict(root: Path, of: Space, options: Options, point: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    fixed = [text for text in options.overrides if text.split("=")[0] not in point]
    words = [*fixed, *ranking.settings(of, point)]
    line = " ".join(["dvc exp run", *(f"-S {shlex.quote(text)}" for text in words)])
    write_json(root / f"sweeps/{options.name}.json", {"point": dict(point), **found, "try": line})
    print("\n".join(ranking.verdict(found, of.model)))
    print(f"Try it in the pipeline: {line}" if options.table is None else f"Its settings: {' '.join(words)}")
    print(f"written: sweeps/{options.name}.csv, .json and .png")
