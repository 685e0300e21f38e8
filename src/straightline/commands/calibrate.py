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

from straightline.calibration import records, scenarios
from straightline.calibration.outcome import Outcome
from straightline.calibration.scenarios import Scenario
from straightline.config.composition import render
from straightline.config.settings import Config, Folds, load, parse
from straightline.errors import UserError
from straightline.models import Averaged, Neural, Regression, baseline_of
from straightline.report.pictures import studies
from straightline.results.terminal import wide_console
from straightline.runtime.artifacts import replacing, write_csv
from straightline.runtime.console import SafeConsole
from straightline.runtime.steps import step
from straightline.runtime.terminal import say


@dataclass(frozen=True)
class Options:
    """The tables to simulate: all combinations of families, noises, truths (see `scenarios.py`), rows and columns.

    No `families` stand for all of them. `simulations` is the number of tables for each combination. `model` is the
    network, whose settings are those of params.yaml, or of the file `effort` of conf/effort. `like` is a file to
    imitate: its columns, rows, best line and noise replace the generated ones. `target` is the column of that file to
    predict; its family is the only one of `families`, or the one that suits the column. With `growing`, networks learn
    from samples that grow from `first` rows on, as in tables of more than 250,000 rows.
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
    growing: int | None = None


def run(root: Path, options: Options, out: Path) -> None:
    """Write `out`/calibration.csv and .png.

    A scenario is not simulated again if the table already has it, with the same settings and at least as many
    simulations. Models, folds, margin and confidence come from params.yaml below `root`. Raises UserError for invalid
    options, before anything runs.
    """
    config = _config(root, options.effort)
    if options.growing is not None:
        growth = replace(config.fit.growth, first=options.growing)
        config = replace(config, fit=replace(config.fit, growth=growth))
    settings = _network(config, options.model)
    chosen_truths = [scenarios.parse_truth(text, config.verdict.margin) for text in options.truths]
    chosen = [
        Scenario(world, noise, truth)
        for world in scenarios.worlds(options.families, options.rows, options.columns, options.like, options.target)
        for noise, truth in itertools.product(scenarios.noises_of(world, options.noises), chosen_truths)
    ]
    known = _read(out / "calibration.csv")
    rows: list[dict[str, Any]] = []
    with _progress(len(chosen) * options.simulations) as (advance, print_line):
        for scenario in chosen:
            key = _key(config, settings, options, scenario)
            row = records.known(known, key)
            if row is None:
                row = key | _simulated(config, settings, options, scenario, advance)
            else:
                advance(options.simulations)
            rows.append(row)
            described = (
                f"{row['family']}, {row['rows']:,} x {row['columns']:,}, {row['noise']} noise, truth {row['truth']}"
            )
            print_line(f"{described}: network better in {row['challenger_better']:,} of {row['simulations']:,}")
            write_csv(out / "calibration.csv", records.merged(known, rows))
    with replacing(out / "calibration.png") as temporary:
        temporary.write_bytes(studies.calibration(records.merged(known, rows)))
    _print_summary(pd.DataFrame(rows), out)


def _config(root: Path, effort: str | None) -> Config:
    if effort is None:
        return load(root / "params.yaml")
    return parse(yaml.safe_load(render(root / "conf", [f"effort={effort}"])), "conf")


def _network(config: Config, name: str) -> Neural | Averaged:
    settings = config.models.get(name)
    if isinstance(settings, Neural | Averaged):
        return settings
    networks = ", ".join(key for key, model in config.models.items() if not isinstance(model, Regression))
    raise UserError(f"--model: expected a network of params.yaml ({networks or 'it has none'}), got {name!r}")


def _key(config: Config, settings: Neural | Averaged, options: Options, scenario: Scenario) -> dict[str, Any]:
    world, truth = scenario.world, scenario.truth
    fingerprint = {
        "model": {key: value for key, value in asdict(settings).items() if key != "selected_from"},
        "baseline": asdict(config.models[baseline_of(config.models)]),
        "fit": {key: value for key, value in asdict(config.fit).items() if options.growing or key != "growth"},
        "folds": {key: value for key, value in asdict(config.folds).items() if options.growing or key != "large"},
        "verdict": asdict(config.verdict),
        "like": None if world.features is None else hashlib.sha256(world.features.tobytes()).hexdigest(),
        "line": world.coefficients.tolist(),
    }
    return {
        "family": world.family.name,
        "rows": world.rows,
        "columns": len(world.coefficients) - 1,
        "noise": scenario.noise,
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
    scenario: Scenario,
    advance: Callable[[int], None],
) -> dict[str, Any]:
    from straightline.runtime.backend import import_tensorflow

    if "tensorflow" not in sys.modules:
        say("importing TensorFlow, which takes a few seconds")
    with step("import of TensorFlow"):
        import_tensorflow()
        from straightline.calibration import simulation
        from straightline.training.plan import fold_plan

    baseline = config.models[baseline_of(config.models)]
    assert isinstance(baseline, Regression)
    once = replace(config.folds, repeats=1)
    if options.growing is not None:
        outcomes = _grown(config, settings, baseline, options, scenario, advance)
        return _summary(scenario, outcomes, config, options, replace(once, seeds=1))
    (probe, _), *_ = simulation.tables(scenario, [0], once, options.seed)
    folds = fold_plan(probe, settings, config.fit, config.folds)
    batches = -(-options.simulations // simulation.batch_size(probe, settings, config.fit, folds))
    outcomes = []
    for numbers in np.array_split(np.arange(options.simulations), batches):
        tables = simulation.tables(scenario, numbers.tolist(), folds, options.seed)
        place = f"simulations {len(outcomes) + 1:,} to {len(outcomes) + len(numbers):,} of {options.simulations:,}"
        with step(place) as reached:
            on_epoch = _epochs_told(reached)
            outcomes += simulation.outcomes(tables, settings, baseline, config.fit, folds, on_epoch)
        advance(len(numbers))
    return _summary(scenario, outcomes, config, options, folds)


def _grown(
    config: Config,
    settings: Neural | Averaged,
    baseline: Regression,
    options: Options,
    scenario: Scenario,
    advance: Callable[[int], None],
) -> list[Outcome]:
    from straightline.calibration import simulation
    from straightline.calibration.growing import growing_outcome

    outcomes = []
    for number in range(options.simulations):
        ((table, _),) = simulation.tables(scenario, [number], replace(config.folds, repeats=1), options.seed)
        seed = options.seed + number
        outcomes.append(growing_outcome(table, settings, baseline, config.fit, config.folds, seed))
        advance(1)
    return outcomes


def _summary(
    scenario: Scenario, outcomes: Sequence[Outcome], config: Config, options: Options, folds: Folds
) -> dict[str, Any]:
    from straightline.calibration import simulation

    counts = {"effort": options.effort, "folds": folds.k, "repeats": folds.repeats, "seeds": folds.seeds}
    return simulation.summary(outcomes, config.verdict, scenario.world.rows, scenario.truth) | counts


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
