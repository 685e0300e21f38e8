"""`straightline sweep`: hundreds of configs of a network, ranked, and what the best is worth."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from straightline.config.composition import render
from straightline.config.settings import Config, chosen_target, load, parse
from straightline.config.table_options import TableOptions, table_settings
from straightline.data.schema import read_schema
from straightline.data.training_table import training_table
from straightline.errors import UserError
from straightline.report.pictures import studies
from straightline.runtime.artifacts import md5, read_parquet, replacing, write_csv, write_json, write_text
from straightline.runtime.processes import temporary_folder
from straightline.stages import data
from straightline.sweeps import ranking, search, terminal
from straightline.sweeps.adoption import adopt
from straightline.sweeps.space import Point, Space, space
from straightline.sweeps.winner import Winner
from straightline.tracking.messages import Conclusion
from straightline.tracking.publisher import Publisher

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
        target = chosen_target(parse(of.base, "sweep").targets, options.target)
        _sweep(root, home, of, target, options)


@contextmanager
def _project(root: Path, options: Options) -> Iterator[tuple[Path, Space]]:
    """Yield the folder that has the rows, and the space."""
    if options.table is None:
        of = space(options.overrides, lambda fixed: yaml.safe_load(render(root / "conf", fixed)))
        _require_rows(root, parse(of.base, "sweep"))
        yield root, of
        return
    if options.adopt:
        raise UserError("--adopt: expected the pipeline's rows, whose conf/ has the settings; leave --table out")
    if options.target is None:
        raise UserError("--table: expected --target too, the column to predict")
    file, column = options.table, options.target
    with temporary_folder() as folder:
        of = space(options.overrides, lambda fixed: yaml.safe_load(table_settings(_of_table(file, column, fixed))))
        write_text(folder / "params.yaml", yaml.safe_dump(dict(of.base), allow_unicode=True))
        data.run(folder)
        yield folder, of


def _of_table(file: Path, column: str, fixed: Sequence[str]) -> TableOptions:
    return TableOptions(
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
        family="auto",
        held_out=None,
        overrides=fixed,
    )


def _require_rows(root: Path, config: Config) -> None:
    made = load(root / "params.yaml")
    files = [root / "data" / name for name in ("schema.json", "train.parquet", "test.parquet")]
    if (made.data, made.targets) != (config.data, config.targets) or not all(file.is_file() for file in files):
        raise UserError("sweep: data/ is not there, or of other settings; run `dvc repro data` first")


def _sweep(root: Path, home: Path, of: Space, target: str, options: Options) -> None:
    with _publisher(root, of, options) as publisher:
        point, tried, conclusion = _tried(root, home, of, target, options, publisher)
        if publisher is not None:
            publisher.send(conclusion)
            print(publisher.close())
    if conclusion.metrics is None:
        why = "no config could be trained; the last column says why"
        why = "interrupted" if conclusion.status == "KILLED" else why
        raise UserError(f"sweep: {why}; what was found is in sweeps/{options.name}.csv")
    if options.adopt:
        adopt(root / "conf", of, options.overrides, point, tried)


def _publisher(root: Path, of: Space, options: Options) -> AbstractContextManager[Publisher | None]:
    if not options.track:
        return nullcontext()
    return Publisher("straightline.tracking.sweep_runs", root, options.name, of.base)


def _tried(
    root: Path, home: Path, of: Space, target: str, options: Options, publisher: Publisher | None
) -> tuple[Point, int, Conclusion]:
    """Write what was found; return the best point, of how many, and how it ended."""
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    with training_table(home, target, parse(of.base, "sweep").fit.held_rows) as table:
        rows, importances, interrupted = _searched(home, of, target, table, options, publisher)
        ranked = ranking.ranked(of, rows)
        write_csv(root / f"sweeps/{options.name}.csv", ranked)
        terminal.show(ranked)
        trained = ranked.dropna(subset=["loss"])
        if trained.empty:
            return {}, len(rows), Conclusion("KILLED" if interrupted else "FAILED", None)
        with replacing(root / f"sweeps/{options.name}.png") as temporary:
            temporary.write_bytes(studies.sweep(trained, importances))
        best = next(row for row in rows if row["trial"] == ranked["trial"].iloc[0])
        point = ranking.point(of, best)
        if interrupted:
            return point, len(rows), Conclusion("KILLED", None)
        found = _concluded(home, of, target, table, point, len(rows))
    _write_verdict(root, of, options, point, found)
    metrics = {"relative_gain": found.relative_gain, "selected_from": float(found.selected_from)}
    metrics |= {f"held_out_loss_{model}": loss for model, loss in found.held_out.items()}
    return point, len(rows), Conclusion("FINISHED", metrics)


def _searched(
    home: Path, of: Space, target: str, table: Any, options: Options, publisher: Publisher | None
) -> tuple[list[dict[str, Any]], dict[str, float], bool]:
    """Return what was tried, the importances of what varied, and whether it was interrupted."""
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
        terminal.shown(count) as (advance, on_progress),
    ):

        def on_told(told: Sequence[search.Result]) -> None:
            if publisher is not None:
                publisher.send([ranking.row(of, *one) for one in told])
            advance([found for _, _, found in told])

        # What learns from its batches must not depend on how many machines there are.
        at_once = BATCHES.get(sampler, BATCH * trainer.slots)
        batch = min(at_once, trainer.batch_size(config) * trainer.slots)
        known = search.remembered(options.storage)
        evaluate = partial(search.evaluated, trainer, of, on_progress=on_progress)
        try:
            search.run(study, of, count, batch, partial(search.identity, of, rows), evaluate, known, on_told)
        except KeyboardInterrupt:
            interrupted = True
    tried = [ranking.row(of, *one) for one in search.results(study)]
    return tried, search.importances(study, of, options.seed), interrupted


def _trainer(options: Options, *of: Any) -> AbstractContextManager[Any]:
    if options.engine == "ray":
        from straightline.sweeps import cluster

        return cluster.trainer(options.address, *of)
    from straightline.sweeps.trainer import Trainer

    return nullcontext(Trainer(*of))


def _concluded(home: Path, of: Space, target: str, table: Any, point: Mapping[str, Any], tried: int) -> Winner:
    from straightline.data.encoding import matrix
    from straightline.sweeps import selection
    from straightline.training.progress import epochs_shown

    schema = read_schema(home)
    test = read_parquet(home / "data/test.parquet")
    features = matrix(test, schema.encoding)
    labels = test[schema.targets[target].column].to_numpy(float)
    return selection.winner(table, of.config(point), of.model, tried, features, labels, epochs_shown)


def _write_verdict(root: Path, of: Space, options: Options, point: Mapping[str, Any], found: Winner) -> None:
    fixed = [text for text in options.overrides if text.split("=")[0] not in point]
    words = [*fixed, *ranking.overrides(of, point)]
    line = " ".join(["dvc exp run", *(f"-S {shlex.quote(text)}" for text in words)])
    write_json(root / f"sweeps/{options.name}.json", {"point": dict(point), **found.to_json(), "try": line})
    print("\n".join(terminal.winner_lines(found, of.model)))
    print(f"Try it in the pipeline: {line}" if options.table is None else f"Its settings: {' '.join(words)}")
    print(f"written: sweeps/{options.name}.csv, .json and .png")
