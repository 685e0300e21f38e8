"""`straightline calibrate`: how often the verdict is wrong, as calibration.csv and calibration.png."""

import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from rich.progress import Progress
from rich.table import Table as RichTable

from straightline.calibration import records, truths
from straightline.calibration.truths import Truth, World
from straightline.config.composition import render
from straightline.config.settings import Config, Target, load, parse
from straightline.data import encoding
from straightline.data.columns import encode_target
from straightline.data.features import fit_encoding
from straightline.data.reading import read_table
from straightline.errors import UserError
from straightline.families import AUTO, FAMILIES, family_of
from straightline.models import Averaged, Neural, Regression, baseline_of
from straightline.report.pictures import studies
from straightline.results.terminal import wide_console
from straightline.runtime.artifacts import replacing, write_csv
from straightline.runtime.console import SafeConsole
from straightline.runtime.steps import step
from straightline.runtime.terminal import say


@dataclass(frozen=True)
class Options:
    """The tables to simulate: all combinations of families, noises, truths (see `parse_truth`), rows and columns.

    No `families` stand for all of them. `simulations` is the number of tables for each combination. `model` is the
    network, whose settings are those of params.yaml, or of the file `effort` of conf/effort. `like` is a file to
    imitate: its columns, rows, best line and noise replace the generated ones. `target` is the column of that file to
    predict; its family is the only one of `families`, or the one that suits the column.
    """

    rows: Sequence[int]
    columns: Sequence[int]
    families: Sequence[str]
    noises: Sequence[str]
    truths: Sequence[str]
    simulations: int
    model: str
    like: Path | None
    target: str | None
    seed: int
    effort: str | None


def run(root: Path, options: Options, out: Path) -> None:
    """Write `out`/calibration.csv and .png.

    A scenario is not simulated again if the table already has it, with the same settings and at least as many
    simulations. Models, folds, margin and confidence come from params.yaml below `root`. Raises UserError for invalid
    options, before anything runs.
    """
    config = _config(root, options.effort)
    settings = _network(config, options.model)
    chosen_truths = [parse_truth(text, config.verdict.margin) for text in options.truths]
    scenarios = [
        (world, noise, truth)
        for world in _worlds(options)
        for noise, truth in itertools.product(_noises(world, options.noises), chosen_truths)
    ]
    known = _read(out / "calibration.csv")
    rows: list[dict[str, Any]] = []
    with _progress(len(scenarios) * options.simulations) as (advance, print_line):
        for world, noise, truth in scenarios:
            key = _key(config, settings, options, world, noise, truth)
            row = records.known(known, key)
            if row is None:
                row = key | _simulated(config, settings, options, world, noise, truth, advance)
            else:
                advance(options.simulations)
            rows.append(row)
            scenario = (
                f"{row['family']}, {row['rows']:,} x {row['columns']:,}, {row['noise']} noise, truth {row['truth']}"
            )
            print_line(f"{scenario}: network better in {row['challenger_better']:,} of {row['simulations']:,}")
            write_csv(out / "calibration.csv", records.merged(known, rows))
    with replacing(out / "calibration.png") as temporary:
        temporary.write_bytes(studies.calibration(records.merged(known, rows)))
    _print_summary(pd.DataFrame(rows), out)


def _config(root: Path, effort: str | None) -> Config:
    if effort is None:
        return load(root / "params.yaml")
    return parse(yaml.safe_load(render(root / "conf", [f"effort={effort}"])), "conf")


def parse_truth(text: str, margin: float) -> Truth:
    """Return the truth that `text` names: `noise`, `linear`, or a curve if it is a number.

    The number says by how many margins the loss of the curve is below that of the best line. Raises UserError for any
    other text, and for a gain outside (0, 1).
    """
    if text in ("noise", "linear"):
        return Truth(text, text == "linear", 0.0)
    try:
        margins = float(text)
    except ValueError:
        raise UserError(f"--truth: expected noise, linear or a number of margins, got {text!r}") from None
    if not 0 < margins * margin < 1:
        raise UserError(
            f"--truth: {text} margins of {margin:g} are a gain of {margins * margin:g}; expected more than 0 and less "
            "than 1"
        )
    return Truth(f"{margins:g} margins", True, margins * margin)


def _network(config: Config, name: str) -> Neural | Averaged:
    settings = config.models.get(name)
    if isinstance(settings, Neural | Averaged):
        return settings
    networks = ", ".join(key for key, model in config.models.items() if not isinstance(model, Regression))
    raise UserError(f"--model: expected a network of params.yaml ({networks or 'it has none'}), got {name!r}")


def _worlds(options: Options) -> list[World]:
    if options.like is None:
        return [
            truths.generated(FAMILIES[family], rows, columns)
            for family, rows, columns in itertools.product(
                options.families or list(FAMILIES), options.rows, options.columns
            )
        ]
    if options.target is None:
        raise UserError("--like: add --target, the column to predict")
    return [_world_like(options.like, options.target, _one_family(options.families))]


def _one_family(families: Sequence[str]) -> str:
    """Return the family of the target of a table: the only one of `families`, or `auto` if there is none."""
    if len(families) > 1:
        raise UserError(f"--like: expected one --family, that of the target, got {', '.join(families)}")
    return families[0] if families else AUTO


def _world_like(path: Path, target: str, family: str) -> World:
    frame, _ = read_table(path)
    origin = str(path)
    labels, column = encode_target(frame, Target(column=target, family=family), origin)
    all_rows = np.arange(len(frame))
    names = [str(name) for name in frame.columns if name != target]
    try:
        features, _ = fit_encoding(frame, all_rows, names, [])
    except UserError as error:
        raise UserError(f"{origin}: {error}") from None
    return truths.like(encoding.matrix(frame, features), labels.to_numpy(float), family_of(column))


def _noises(world: World, noises: Sequence[str]) -> Sequence[str]:
    """Return the `noises` that the family of `world` supports, or all that it supports if that leaves none."""
    return [noise for noise in noises if noise in world.family.noises] or world.family.noises


def _key(
    config: Config, settings: Neural | Averaged, options: Options, world: World, noise: str, truth: Truth
) -> dict[str, Any]:
    fingerprint = {
        "model": {key: value for key, value in asdict(settings).items() if key != "selected_from"},
        "baseline": asdict(config.models[baseline_of(config.models)]),
        "fit": asdict(config.fit),
        "folds": asdict(config.folds),
        "verdict": asdict(config.verdict),
        "like": None if world.features is None else hashlib.sha256(world.features.tobytes()).hexdigest(),
        "line": world.coefficients.tolist(),
    }
    return {
        "family": world.family.name,
        "rows": world.rows,
        "columns": len(world.coefficients) - 1,
        "noise": noise,
        "truth": truth.name,
        "gain": truth.gain,
        "simulations": options.simulations,
        "seed": options.seed,
        "settings": hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:12],
    }


def _simulated(
    config: Config,
    settings: Neural | Averaged,
    options: Options,
    world: World,
    noise: str,
    truth: Truth,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    from straightline.runtime.backend import import_tensorflow

    if "tensorflow" not in sys.modules:
        say("importing TensorFlow, which takes a few seconds")
    with step("import of TensorFlow"):
        import_tensorflow()
        from straightline.calibration import simulation
        from straightline.training.plan import fold_plan

    (probe, _), *_ = simulation.tables(world, truth, noise, [0], replace(config.folds, repeats=1), options.seed)
    baseline = config.models[baseline_of(config.models)]
    assert isinstance(baseline, Regression)
    folds = fold_plan(probe, settings, config.fit, config.folds)
    batches = -(-options.simulations // simulation.batch_size(probe, settings, config.fit, folds))
    outcomes: list[simulation.Outcome] = []
    for numbers in np.array_split(np.arange(options.simulations), batches):
        tables = simulation.tables(world, truth, noise, numbers.tolist(), folds, options.seed)
        place = f"simulations {len(outcomes) + 1:,} to {len(outcomes) + len(numbers):,} of {options.simulations:,}"
        with step(place) as reached:
            on_epoch = _epochs_told(reached)
            outcomes += simulation.outcomes(tables, settings, baseline, config.fit, folds, on_epoch)
        advance(len(numbers))
    return simulation.summary(outcomes, config.verdict, world.rows, truth) | {
        "effort": options.effort,
        "folds": folds.k,
        "repeats": folds.repeats,
        "seeds": folds.seeds,
    }


def _epochs_told(reached: Callable[[str], None]) -> Callable[..., None]:
    return lambda epoch, *losses: reached(f"epoch {epoch}")


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


@contextmanager
def _progress(simulations: int) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    console = SafeConsole()
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulations", total=simulations)
        yield lambda count: bar.advance(task, count), console.print


def _print_summary(table: pd.DataFrame, out: Path) -> None:
    console = wide_console()
    names = ["family", "rows", "columns", "noise", "truth", "simulations", "network better", "at the edge"]
    summary = RichTable(*names, "mean gain", "of the truth's")
    for row in table.to_dict("records"):
        edge = "" if pd.isna(row["edge_rate"]) else f"{row['edge_rate']:.1%}"
        summary.add_row(
            row["family"],
            f"{row['rows']:,}",
            f"{row['columns']:,}",
            row["noise"],
            row["truth"],
            f"{row['simulations']:,}",
            f"{row['rate']:.1%} ({row['rate_low']:.1%} to {row['rate_high']:.1%})",
            edge,
            f"{row['mean_gain']:.1%}",
            "" if pd.isna(row["share_of_gain"]) else f"{row['share_of_gain']:.0%}",
        )
    console.print(summary)
    null = table[table["gain"] == 0]
    if len(null):
        errors, simulations = int(null["challenger_better"].sum()), int(null["simulations"].sum())
        console.print(f"false «network better» if the truth is a line or noise: {errors:,} of {simulations:,}")
    console.print(f"written: {out / 'calibration.csv'}, {out / 'calibration.png'}")
