"""`straightline sweep`: hundreds of configs of a network, ranked, and what the best is worth."""

import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from straightline import ranking
from straightline.artifacts import md5, read_json, write_csv, write_json, write_text
from straightline.commands import run as command
from straightline.config import Config, load, parse
from straightline.errors import UserError
from straightline.space import Space, digest, space
from straightline.stages import compose, data

BATCHES = {"tpe": 32}  # configs that are asked for at once: few where the next ones learn from them
BATCH = 128


@dataclass(frozen=True)
class Options:
    """What to vary, in Hydra's words, and how: `table` and its column `target`, or the pipeline's target of that key.

    `sampler` and `trials` of None are a grid of all points, or TPE where there are intervals (`search.plan`).
    """

    overrides: Sequence[str]
    table: Path | None
    target: str | None
    sampler: str | None
    trials: int | None
    storage: str | None
    seed: int
    name: str


def run(root: Path, options: Options) -> None:
    """Write sweeps/<name>.csv, ranked, and sweeps/<name>.json, the winner's verdict, below `root`; print both.

    Raises UserError, before anything is trained, for overrides, options or rows that do not fit. Interrupted, it ends
    with what was found so far.
    """
    with _project(root, options) as (home, of):
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
    if (made.data, made.targets) != (config.data, config.targets) or not (root / "data/schema.json").is_file():
        raise UserError("sweep: data/ is not there, or of other settings; run `dvc repro data` first")


def _target(home: Path, of: Space, asked: str | None) -> str:
    targets = read_json(home / "data/schema.json")["targets"]
    chosen = [key for key, own in targets.items() if asked in (None, key, own["column"])]
    if len(chosen) == 1:
        return str(chosen[0])
    raise UserError(f"--target: expected one of {', '.join(targets)}, got {asked or 'none'}")


def _sweep(root: Path, home: Path, of: Space, target: str, options: Options) -> None:
    from straightline import search

    sampler, trials = search.plan(options.sampler, options.trials, of)
    rows = md5(home / "data/train.parquet")
    name = search.study_name(of, f"{sampler} {options.seed} {target}", rows)
    study = search.study(name, options.storage, sampler, of, trials, options.seed)
    known = search.remembered(options.storage)

    from straightline.backend import import_tensorflow

    import_tensorflow()
    from straightline.stages.train import training_table
    from straightline.sweep import Trainer

    config = parse(of.base, "sweep")
    with training_table(home, target, config.fit.held_rows) as table:
        folds, seeds = config.folds, config.folds.seeds or 1
        parts = table.split.folds(len(table.labels), folds.k, folds.repeats or 1, folds.seed)
        trainer = Trainer(table, of.model, parts, seeds)
        with ranking.shown(trials, len(search.finished(study))) as (advance, on_epoch):

            def evaluate(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
                found = _evaluated(trainer, of, points, on_epoch)
                advance(found)
                return found

            batch = min(BATCHES.get(sampler, BATCH), trainer.batch_size(config))
            interrupted = False
            try:
                search.run(study, of, trials, batch, lambda point: _identity(of, point, target, rows), evaluate, known)
            except KeyboardInterrupt:
                interrupted = True
        ranked = ranking.ranked(
            of, [(trial.number, trial.params, trial.user_attrs["found"]) for trial in search.finished(study)]
        )
        write_csv(root / f"sweeps/{options.name}.csv", ranked)
        ranking.show(ranked)
        if interrupted or ranked["loss"].isna().all():
            why = "interrupted" if interrupted else "no config could be trained; the last column says why"
            raise UserError(f"sweep: {why}; what was found is in sweeps/{options.name}.csv")
        _conclude(root, home, of, target, options, table, ranked)


def _identity(of: Space, point: Mapping[str, Any], target: str, rows: str) -> str:
    try:
        return digest(of.config(point), of.model, f"{target} {rows}")
    except UserError as error:
        return f"invalid: {error}"


def _evaluated(trainer: Any, of: Space, points: Sequence[Mapping[str, Any]], on_epoch: Any) -> list[dict[str, Any]]:
    """Return what each point came to; an invalid one has the reason for a result."""
    configs: list[Config | UserError] = []
    for point in points:
        try:
            configs.append(of.config(point))
        except UserError as error:
            configs.append(error)
    scored = iter(trainer.scored([one for one in configs if isinstance(one, Config)], on_epoch))
    return [_found(next(scored)) if isinstance(one, Config) else _failed(str(one)) for one in configs]


def _found(scored: Any) -> dict[str, Any]:
    if scored.losses is None:
        return _failed(scored.reason, scored.epochs, scored.steps)
    spread = float(scored.losses.std(ddof=1)) if len(scored.losses) > 1 else 0.0
    told = {"loss": float(scored.losses.mean()), "between_folds": spread, "reason": None}
    return told | {"epochs": scored.epochs, "steps": scored.steps}


def _failed(reason: str, epochs: int = 0, steps: int = 0) -> dict[str, Any]:
    return {"loss": None, "between_folds": None, "reason": reason, "epochs": epochs, "steps": steps}


def _conclude(
    root: Path, home: Path, of: Space, target: str, options: Options, table: Any, ranked: pd.DataFrame
) -> None:
    from straightline import selection
    from straightline.encoding import matrix, of_json
    from straightline.progress import epochs_shown

    best = ranked.iloc[0]
    point = {one.key: best[one.key] for one in of.dimensions}
    config = of.config(point)
    tried = len(ranked)
    found, fitted = selection.verdict(table, config, of.model, tried, epochs_shown)
    schema = read_json(home / "data/schema.json")
    test = pd.read_parquet(home / "data/test.parquet")
    features = matrix(test, of_json(schema["encoding"]))
    labels = test[schema["targets"][target]["column"]].to_numpy(float)
    found |= {"held_out": selection.held_out(fitted, features, labels, table.task)}
    fixed = [text for text in options.overrides if "=" in text and text.split("=")[0] not in point]
    line = " ".join(["dvc exp run", *(f"-S {shlex.quote(text)}" for text in [*fixed, *ranking.settings(of, point)])])
    write_json(root / f"sweeps/{options.name}.json", {"point": point, **found, "try": line})
    print("\n".join(ranking.verdict(found, of.model)))
    print(
        f"Try it in the pipeline: {line}"
        if options.table is None
        else f"Its settings: {' '.join(ranking.settings(of, point))}"
    )
    print(f"written: sweeps/{options.name}.csv, sweeps/{options.name}.json")
