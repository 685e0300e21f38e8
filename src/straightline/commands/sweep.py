"""`straightline sweep`: train hundreds of configs of a network, rank them, and test the best one on new folds."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from straightline.config.composition import render
from straightline.config.settings import Config, chosen_target, load, parse
from straightline.config.streams import received
from straightline.config.table_options import TableOptions, table_settings
from straightline.data.row_values import offset_of
from straightline.data.rows import Rows
from straightline.data.schema import read_schema
from straightline.data.training_table import training_table
from straightline.errors import UserError
from straightline.report.pictures import studies
from straightline.runtime.artifacts import md5, read_parquet, replacing, write_csv, write_json, write_text
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.steps import step
from straightline.runtime.terminal import say
from straightline.stages import data
from straightline.sweeps import ranking, search, terminal
from straightline.sweeps.adoption import adopt
from straightline.sweeps.space import Point, Space
from straightline.sweeps.space import space as parse_space
from straightline.sweeps.winner import Winner
from straightline.tracking.messages import Conclusion
from straightline.tracking.publisher import Publisher

# Configs to request from the sampler at once: fewer if the sampler learns from the results.
BATCHES = {"tpe": 32}
BATCH = 128


@dataclass(frozen=True)
class Options:
    """The settings to vary, in Hydra's syntax, and how to search.

    `target` is a column of the file of `table`, whose own targets and overrides do not count, or, if `table` is None, a
    target of the pipeline. If `sampler` and
    `trials` are None, the sweep tries a grid of all points, or uses TPE if a setting varies in an interval
    (`search.plan`). `engine` is `local` or `ray`; `address` is that of the Ray cluster.
    """

    overrides: Sequence[str]
    table: TableOptions | None
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
    """Write and print the ranked configs, sweeps/<name>.csv below `root`, and the winner's verdict, sweeps/<name>.json.

    Raises UserError, before anything is trained, for invalid overrides, options or rows. If the sweep is interrupted,
    it ends with the results so far.
    """
    if not re.fullmatch(r"[\w-]+", options.name):
        raise UserError(f"--name: expected a file name of letters, digits, - and _, got {options.name!r}")
    if options.address is not None and options.engine != "ray":
        raise UserError("--address: add --engine ray, since only a Ray cluster has an address")
    with _project(root, options) as (home, space):
        search.plan(options.sampler, options.trials, space)
        target = chosen_target(parse(space.base, "sweep").targets, options.target)
        _sweep(root, home, space, target, options)


@contextmanager
def _project(root: Path, options: Options) -> Iterator[tuple[Path, Space]]:
    """Yield the folder with the rows to train on, and the search space."""
    if options.table is None:
        space = parse_space(options.overrides, lambda fixed: yaml.safe_load(render(root / "conf", fixed)))
        _require_rows(root, parse(space.base, "sweep"))
        yield root, space
        return
    if options.adopt:
        raise UserError("--adopt: leave --table out; only settings for the pipeline's rows can go into its conf/")
    if options.target is None:
        raise UserError("--table: add --target, the column to predict")
    table = replace(options.table, targets=[options.target])
    with temporary_folder() as folder, received(table.file, folder):
        space = parse_space(
            options.overrides, lambda fixed: yaml.safe_load(table_settings(replace(table, overrides=fixed)))
        )
        write_text(folder / "params.yaml", yaml.safe_dump(dict(space.base), allow_unicode=True))
        data.run(folder)
        yield folder, space


def _require_rows(root: Path, config: Config) -> None:
    """Raise UserError unless data/ was made with the settings of `config`."""
    current = load(root / "params.yaml")
    files = [root / "data" / name for name in ("schema.json", "train.parquet", "test.parquet")]
    if (current.data, current.targets) != (config.data, config.targets) or not all(file.is_file() for file in files):
        raise UserError("sweep: data/ is missing or was made with other settings; run `dvc repro data` first")


def _sweep(root: Path, home: Path, space: Space, target: str, options: Options) -> None:
    with _publisher(root, space, options) as publisher:
        point, tried, conclusion = _search_and_conclude(root, home, space, target, options, publisher)
        if publisher is not None:
            publisher.send(conclusion)
            with step("publishing to MLflow"):
                line = publisher.close()
            say(line)
    if conclusion.metrics is None:
        reason = "no config could be trained; the last column gives the reasons"
        reason = "interrupted" if conclusion.status == "KILLED" else reason
        raise UserError(f"sweep: {reason}; the results are in sweeps/{options.name}.csv")
    if options.adopt:
        adopt(root / "conf", space, options.overrides, point, tried)


def _publisher(root: Path, space: Space, options: Options) -> AbstractContextManager[Publisher | None]:
    if not options.track:
        return nullcontext()
    return Publisher("straightline.tracking.sweep_runs", root, options.name, space.base)


def _search_and_conclude(
    root: Path, home: Path, space: Space, target: str, options: Options, publisher: Publisher | None
) -> tuple[Point, int, Conclusion]:
    """Write the results. Return the best point, the number of configs that were tried, and how the sweep ended."""
    from straightline.runtime.backend import import_tensorflow

    say("importing TensorFlow, which takes a few seconds")
    with step("import of TensorFlow"):
        import_tensorflow()
    with training_table(home, target, parse(space.base, "sweep").fit.held_rows) as table:
        rows, importances, interrupted = _search(home, space, target, table, options, publisher)
        ranked = ranking.ranked(space, rows)
        write_csv(root / f"sweeps/{options.name}.csv", ranked)
        terminal.show(ranked)
        trained = ranked.dropna(subset=["loss"])
        if trained.empty:
            return {}, len(rows), Conclusion("KILLED" if interrupted else "FAILED", None)
        with replacing(root / f"sweeps/{options.name}.png") as temporary:
            temporary.write_bytes(studies.sweep(trained, importances))
        best = next(row for row in rows if row["trial"] == ranked["trial"].iloc[0])
        point = ranking.point(space, best)
        if interrupted:
            return point, len(rows), Conclusion("KILLED", None)
        winner = _judge(home, space, target, table, point, rows)
    _write_verdict(root, space, options, point, winner)
    metrics = {"relative_gain": winner.relative_gain, "selected_from": float(winner.selected_from)}
    metrics |= {f"held_out_loss_{model}": loss for model, loss in winner.held_out.items()}
    return point, len(rows), Conclusion("FINISHED", metrics)


def _search(
    home: Path, space: Space, target: str, table: Any, options: Options, publisher: Publisher | None
) -> tuple[list[dict[str, Any]], dict[str, float], bool]:
    """Return a row for each config that was tried, the importances of the settings, and whether it was interrupted."""
    sampler, count = search.plan(options.sampler, options.trials, space)
    # Counts and amounts may be the same bytes as other numbers: the schema has the family, its offset and the weights.
    data_digest = " ".join([target, *(md5(home / "data" / name) for name in ("train.parquet", "schema.json"))])
    name = search.study_name(space, f"{sampler} {options.seed}", data_digest)
    study = search.study(name, options.storage, sampler, options.seed)
    points = search.grid(sampler, count, space, options.seed)
    config = parse(space.base, "sweep")
    folds = config.folds
    parts = table.split.folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed)
    interrupted = False
    with (
        _trainer(options, table, space.model, parts, folds.seeds or 1) as trainer,
        terminal.shown(count) as (advance, on_progress),
    ):

        def on_results(results: Sequence[search.Result]) -> None:
            if publisher is not None:
                publisher.send([ranking.row(space, *trial) for trial in results])
            advance([result for _, _, result in results])

        # A sampler that learns from its batches must not depend on the number of machines.
        requested = BATCHES.get(sampler, BATCH * trainer.slots)
        batch = min(requested, trainer.batch_size(config) * trainer.slots)
        known = search.remembered(options.storage)
        evaluate = partial(search.evaluated, trainer, space, on_progress=on_progress)
        try:
            identity = partial(search.identity, space, data_digest)
            search.run(study, space, points, count, batch, identity, evaluate, known, on_results)
        except KeyboardInterrupt:
            interrupted = True
    tried = [ranking.row(space, *trial) for trial in search.results(study)]
    return tried, search.importances(study, space, options.seed), interrupted


def _trainer(options: Options, *arguments: Any) -> AbstractContextManager[Any]:
    if options.engine == "ray":
        from straightline.sweeps import cluster

        return cluster.trainer(options.address, *arguments)
    from straightline.sweeps.trainer import Trainer

    return nullcontext(Trainer(*arguments))


def _judge(
    home: Path, space: Space, target: str, table: Any, point: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Winner:
    from straightline.sweeps import selection
    from straightline.training.progress import epochs_shown

    selected = selection.Selected(
        space.model, len(rows), np.array([row["fold_losses"] for row in rows if row["loss"] is not None])
    )
    return selection.winner(table, space.config(point), selected, _held_out(home, target), epochs_shown)


def _held_out(home: Path, target: str) -> Rows:
    from straightline.data.encoding import matrix

    schema = read_schema(home)
    test, column = read_parquet(home / "data/test.parquet"), schema.targets[target]
    labels = test[column.column].to_numpy(np.float64)
    weights = None if schema.weights is None else test[schema.weights].to_numpy(np.float64)
    return Rows(matrix(test, schema.encoding), labels, weights, offset_of(test, column))


def _write_verdict(root: Path, space: Space, options: Options, point: Mapping[str, Any], winner: Winner) -> None:
    fixed = [text for text in options.overrides if text.split("=")[0] not in point]
    settings = [*fixed, *ranking.overrides(space, point)]
    line = " ".join(["dvc exp run", *(f"-S {shlex.quote(text)}" for text in settings)])
    write_json(root / f"sweeps/{options.name}.json", {"point": dict(point), **winner.to_json(), "try": line})
    say("\n".join(terminal.winner_lines(winner, space.model)))
    say(f"Try it in the pipeline: {line}" if options.table is None else f"Its settings: {' '.join(settings)}")
    say(f"written: sweeps/{options.name}.csv, .json and .png")
