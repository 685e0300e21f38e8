"""Sweeps: Hydra's words, stacks against single trainings, searches that go on, and winners judged on fresh folds."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.commands import sweep as sweep_command
from straightline.config.settings import Folds, parse
from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.stages import compose
from straightline.sweeps import ranking, search
from straightline.sweeps.space import Space, space
from straightline.sweeps.trainer import Trainer
from straightline.tracking import store
from straightline.training.program import program
from straightline.training.variants import train
from tests.conftest import ROOT

FOLDS = Folds(k=3, repeats=1, seeds=2, seed=0)
QUICK = ("fit.epochs=4", "folds.k=3", "folds.repeats=1", "folds.seeds=1", "models.neural.hidden=[4]")


def made(*overrides: str) -> Space:
    return space(overrides, lambda fixed: yaml.safe_load(compose.render(ROOT / "conf", fixed)))


def curved(family: str = "gaussian", rows: int = 120) -> TrainingTable:
    random = np.random.default_rng(3)
    features = random.normal(size=(rows, 2))
    labels = features[:, 0] + features[:, 1] ** 2 + 0.3 * random.normal(size=rows)
    labels = labels if family == "gaussian" else (labels > 1).astype(float)
    return TrainingTable(held(Rows(features, labels)), labels, ["a", "b"], FAMILIES[family], standardize=True)


class TestSpace:
    OVERRIDES = ("models.neural.hidden=[8],[16,16]", "models.neural.l2=choice(0,1e-4)", "fit.seed=range(0,6,2)")

    def test_points_are_those_of_hydras_own_sweeper(self) -> None:
        of = made(*self.OVERRIDES, "folds.k=4")
        (known,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(list(self.OVERRIDES)), None)
        assert [ranking.overrides(of, point) for point in of.points()] == known
        assert of.size == len(known) == 12
        for point, words in zip(of.points(), known, strict=True):
            composed = yaml.safe_load(compose.render(ROOT / "conf", ["folds.k=4", *words]))
            assert of.config(point) == parse(composed)

    def test_intervals_become_optunas(self) -> None:
        of = made("models.neural.learning_rate=tag(log,interval(1e-4,1e-1))", "fit.batch_size=int(interval(8,64))")
        assert of.size is None
        assert [search.distribution(one) for one in of.dimensions] == [
            optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
            optuna.distributions.IntDistribution(8, 64),
        ]
        point = {"models.neural.learning_rate": 0.02, "fit.batch_size": 9}
        assert of.config(point).fit.batch_size == 9

    @pytest.mark.parametrize(
        ("overrides", "told"),
        [
            (("fit.seed=1",), "nothing varies"),
            (("models.neural.hiden=[8],[16]",), "models.neural.hiden is not a setting; nearest: models.neural.hidden"),
            (("fit=adam,sgd",), "fit stands for many settings; vary one of them, such as fit.optimizer"),
            (("model@models.neural=neural,large",), "choose a model or group with one value"),
            (("fit.seed=range(3,3)",), "fit.seed=range(3,3): is empty"),
            (("models.neural.learning_rate=interval(1,1)",), "expected an interval from a smaller to a larger number"),
            (("models.neural.learning_rate=tag(log,interval(0,1))",), "expected an interval above 0"),
            (("fit.seed=1,2", "fit.seed=3,4"), "fit.seed is given twice"),
            (("fit.seed=range(1,",), "not a valid Hydra override"),
            (("folds.k=2,3",), "folds.k cannot vary"),
            (("models.regression.learning_rate=0.1,0.2",), "regression is a regression"),
            (("+models.neural.more=1,2",), "choose a model or group with one value"),
            (("fit.seed=1,2", "fit.epochs=many"), "fit.epochs: expected"),
            (("fit.seed=1,2", "+model@models.wide=neural"), "expected one network to vary, got neural, wide"),
        ],
    )
    def test_what_cannot_be_swept_is_said(self, overrides: tuple[str, ...], told: str) -> None:
        with pytest.raises(UserError) as caught:
            made(*overrides)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_configs_of_a_stack_are_each_trained_as_the_pipeline_trains_it(family: str) -> None:
    table = curved(family)
    of = made(
        "models.neural.learning_rate=0.003,0.03", "models.neural.l2=0,0.01", "models.neural.hidden=[4],[3,3]",
        "fit.seed=0,7", "fit.epochs=6", "fit.dtype=float64",
    )  # fmt: skip
    configs = [of.config(point) for point in of.points()]
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=2)
    scored = trainer.scored(configs)
    assert len(scored) == len(configs) == 16
    for config, found in list(zip(configs, scored, strict=True))[::3]:  # with each pair of values
        alone = train(table, config.models["neural"], config.fit, FOLDS, lambda *_: None).folds
        assert found.losses is not None
        np.testing.assert_allclose(found.losses, alone.groupby("fold")["loss"].mean(), rtol=1e-9)
        assert (found.epochs, found.steps) == (alone["epochs"].sum(), alone["steps"].sum())


def test_batches_of_other_numbers_run_what_is_compiled() -> None:
    table, of = curved(), made("fit.seed=range(0,10)", *QUICK)
    configs = [of.config(point) for point in of.points()]
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    compiled = program.cache_info().misses
    found = [trainer.scored(configs[:count]) for count in (8, 9, 10)]
    assert program.cache_info().misses == compiled + 1
    for one, two, three in zip(*found, strict=False):
        np.testing.assert_array_equal([one.losses, two.losses], [three.losses] * 2)


def test_upgraded_configs_start_from_their_folds_regressions() -> None:
    table = curved()
    of = made("models.neural.learning_rate=10,1e-9", "models.neural.from_regression=true", "fit.epochs=1", *QUICK[4:])
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    regression = parse(of.base).models["regression"]
    line = train(table, regression, parse(of.base).fit, replace(FOLDS, seeds=1), lambda *_: None).folds["loss"]
    for found in trainer.scored([of.config(point) for point in of.points()]):
        assert found.losses is not None
        np.testing.assert_allclose(found.losses, line, rtol=1e-3)


def test_a_config_that_diverges_is_a_failed_trial() -> None:
    of = made("models.neural.learning_rate=0.001,10", "fit=sgd", "fit.momentum=0.99", "models.neural.hidden=[64,64,64]")
    table = curved()
    trainer = Trainer(table, "neural", table.split.folds(120, 3, 1, 0), seeds=1)
    good, bad = trainer.scored([of.config(point) for point in of.points()])
    assert good.losses is not None
    assert bad.losses is None
    assert bad.reason is not None
    assert "not finite" in bad.reason


class TestSearch:
    SPACE = ("models.neural.learning_rate=tag(log,interval(1e-4,1))", "models.neural.l2=0,0.1")

    @staticmethod
    def bowl(points: Any) -> list[dict[str, Any]]:
        return [
            {"loss": (np.log10(one["models.neural.learning_rate"]) + 2) ** 2 + float(one["models.neural.l2"])}
            for one in points
        ]

    def sweep(self, of: Space, sampler: str | None, trials: int | None, evaluate: Callable, **options: Any) -> list:
        chosen, count = search.plan(sampler, trials, of)
        study = search.study("one", options.get("storage"), chosen, of, count, seed=0)
        known = search.remembered(options.get("storage"))
        search.run(study, of, count, 8, lambda point: json.dumps(point, sort_keys=True), evaluate, known, list)
        return [(trial.params, trial.value) for trial in search.finished(study)]

    @pytest.mark.parametrize(
        ("sampler", "trials", "best"), [("tpe", 80, 0.01), ("qmc", 80, 0.05), ("random", 80, 0.05)]
    )
    def test_the_best_of_a_known_bowl_is_found_and_found_again(self, sampler: str, trials: int, best: float) -> None:
        of = made(*self.SPACE)
        found = self.sweep(of, sampler, trials, self.bowl)
        assert len(found) == trials
        assert min(value for _, value in found) < best
        assert self.sweep(of, sampler, trials, self.bowl) == found

    def test_a_grid_is_every_point_or_some_by_chance(self) -> None:
        of = made("models.neural.learning_rate=0.1,0.01,0.001", "models.neural.l2=0,0.1")
        bowl = self.numbers(of)
        assert [params for params, _ in self.sweep(of, None, None, bowl)] == of.points()
        some = [params for params, _ in self.sweep(of, None, 4, bowl)]
        assert len(some) == 4
        assert [point for point in of.points() if point in some] == some
        with pytest.raises(UserError, match="intervals have no grid"):
            search.plan("grid", None, made(*self.SPACE))

    def numbers(self, of: Space) -> Callable:
        return lambda points: self.bowl([{one.key: one.value(point) for one in of.dimensions} for point in points])

    def test_a_killed_sweep_goes_on_where_it_was(self, tmp_path: Path) -> None:
        of = made("models.neural.learning_rate=range(0.01,0.11,0.01)", "models.neural.l2=0,0.1")
        storage = f"sqlite:///{tmp_path}/sweep.db"
        seen: list[str] = []

        def evaluate(points: Any) -> list[dict[str, Any]]:
            if len(seen) == 8:
                seen.append("killed")
                raise KeyboardInterrupt
            seen.extend(map(str, points))
            return self.numbers(of)(points)

        with pytest.raises(KeyboardInterrupt):
            self.sweep(of, None, None, evaluate, storage=storage)
        found = self.sweep(of, None, None, evaluate, storage=storage)
        seen.remove("killed")
        assert sorted(seen) == sorted(map(str, of.points()))
        whole = self.sweep(of, None, None, self.numbers(of))
        assert sorted(found, key=str) == sorted(whole, key=str)

    def test_what_was_found_and_not_told_when_it_was_killed_is_kept(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        of = made("models.neural.learning_rate=range(0.01,0.06,0.01)", "models.neural.l2=0,0.1")
        storage = f"sqlite:///{tmp_path}/sweep.db"
        tell = optuna.Study.tell

        def killed(study: optuna.Study, trial: Any, *found: Any, **how: Any) -> Any:
            if len(search.finished(study)) == 3:
                raise KeyboardInterrupt
            return tell(study, trial, *found, **how)

        monkeypatch.setattr(optuna.Study, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            self.sweep(of, None, None, self.numbers(of), storage=storage)
        monkeypatch.setattr(optuna.Study, "tell", tell)
        seen: list[Any] = []

        def evaluate(points: Any) -> list[dict[str, Any]]:
            seen.extend(points)
            return self.numbers(of)(points)

        found = self.sweep(of, None, None, evaluate, storage=storage)
        assert len(seen) == 6  # of ten; three were told, a fourth was found
        whole = self.sweep(of, None, None, self.numbers(of))
        assert sorted(found, key=str) == sorted(whole, key=str)

    def test_a_storage_that_cannot_be_is_said(self) -> None:
        with pytest.raises(UserError, match="sweep: storage nonsense: "):
            search.study("one", "nonsense", "tpe", made(*self.SPACE), 3, 0)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


SWEEP = ("sweep", "models.neural.learning_rate=0.003,0.03,0.1", "models.neural.dropout=0,1.5", *QUICK)
OWN = ("--table", "own.csv", "--target", "y", "--no-track")


def write_own(folder: Path) -> None:
    table = curved(rows=150)
    rows = table.source.read(table.source.groups)
    features, labels = rows.features, rows.labels
    pd.DataFrame(features, columns=["a", "b"]).assign(y=labels).to_csv(folder / "own.csv", index=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder after a sweep that MLflow has, and what that printed."""
    folder = tmp_path_factory.mktemp("swept")
    write_own(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        found = invoke(*SWEEP, *OWN[:-1])
    assert found.exit_code == 0, found.output
    return folder, found.output


def test_the_winner_is_judged_as_a_run_on_fresh_folds_would(
    swept: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, output = swept[0], " ".join(swept[1].split())
    monkeypatch.chdir(here)
    table = pd.read_csv(here / "sweeps/sweep.csv")
    assert table["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["loss"].iloc[:3].is_monotonic_increasing
    assert table["loss"].iloc[3:].isna().all()
    assert table["reason"].iloc[3:].str.contains("models.neural.dropout: expected").all()
    assert "3 of 6 configs failed, mostly: sweep: models.neural.dropout: expected" in output
    verdict = json.loads((here / "sweeps/sweep.json").read_text())
    assert verdict["point"] == {
        "models.neural.learning_rate": str(table.loc[0, "models.neural.learning_rate"]),
        "models.neural.dropout": "0",
    }
    assert "Neural is selected from 6 configs on these rows." in output
    assert verdict["ledger"]["neural"]["configs"] == 6

    own = [f"{key}={value}" for key, value in verdict["point"].items()]
    again = invoke("run", "own.csv", "--target", "y", *QUICK, *own, "folds.seed=1")
    assert again.exit_code == 0, again.output
    known = json.loads((here / "straightline-own/verdicts/y.json").read_text())
    assert verdict["losses"] == known["losses"]
    assert verdict["finding"] == known["finding"]
    assert verdict["relative_gain_interval"] == known["relative_gain_interval"]
    for model in ("regression", "neural"):
        metrics = json.loads((here / f"straightline-own/metrics/y-{model}.json").read_text())
        assert verdict["held_out"][model] == pytest.approx(metrics["loss"], rel=1e-9)


def test_the_pipelines_rows_are_swept_twice_alike_and_held_out_rows_are_not_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "conf").symlink_to(ROOT / "conf")
    params = yaml.safe_load((project / "params.yaml").read_text())
    arguments = (*SWEEP, f"data.rows={params['data']['rows']}", "--target", "color", "--no-track")
    found = invoke(*arguments)
    assert found.exit_code == 0, found.output
    assert "Try it in the pipeline: dvc exp run -S fit.epochs=4 -S folds.k=3" in " ".join(found.output.split())
    first = (project / "sweeps/sweep.csv").read_bytes()
    test = pd.read_parquet(project / "data/test.parquet")
    test.assign(color=1 - test["color"]).to_parquet(project / "data/test.parquet")
    assert invoke(*arguments).exit_code == 0
    assert (project / "sweeps/sweep.csv").read_bytes() == first


def runs(folder: Path) -> pd.DataFrame:
    """Return what MLflow's own search finds."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    try:
        return pd.DataFrame(mlflow.search_runs(search_all_experiments=True))
    finally:
        mlflow.set_tracking_uri("")


def test_mlflow_has_a_run_a_config_below_the_sweeps(swept: tuple[Path, str]) -> None:
    here, output = swept
    assert "sweep: 6 configs published to sqlite:///" in output
    shown, table = runs(here), pd.read_csv(here / "sweeps/sweep.csv")
    (parent,) = shown.loc[shown["tags.straightline.role"] == "sweep", "run_id"]
    configs = shown[shown["tags.mlflow.parentRunId"] == parent].set_index("tags.mlflow.runName")
    assert len(configs) == 6
    for row in table.to_dict("records"):
        own = configs.loc[f"config {row['trial']}"]
        assert own["status"] == ("FAILED" if np.isnan(row["loss"]) else "FINISHED")
        assert float(own["params.models.neural.learning_rate"]) == row["models.neural.learning_rate"]
        np.testing.assert_equal(own["metrics.loss"], row["loss"])
    verdict = json.loads((here / "sweeps/sweep.json").read_text())
    (whole,) = shown[shown["run_id"] == parent].to_dict("records")
    assert whole["status"] == "FINISHED"
    assert whole["metrics.relative_gain"] == verdict["relative_gain"]
    assert whole["metrics.held_out_loss_neural"] == verdict["held_out"]["neural"]
    assert (here / "sweeps/sweep.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_sweep_ends_with_what_was_found(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_command, "BATCH", 2)
    scored = Trainer.scored
    calls: list[int] = []

    def interrupted(self: Trainer, configs: Any, *rest: Any) -> Any:
        calls.append(len(configs))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return scored(self, configs, *rest)

    monkeypatch.setattr(Trainer, "scored", interrupted)
    found = invoke("sweep", "models.neural.learning_rate=0.003,0.03,0.1", "fit.seed=0,1", *QUICK, *OWN[:-1])
    assert isinstance(found.exception, UserError)
    assert "sweep: interrupted; the results are in sweeps/sweep.csv" in str(found.exception)
    assert len(pd.read_csv(here / "sweeps/sweep.csv")) == 2
    assert not (here / "sweeps/sweep.json").exists()
    shown = runs(here)
    assert shown["status"].value_counts().to_dict() == {"FINISHED": 2, "KILLED": 1}


def rows_of(database: Path) -> dict[str, list[tuple]]:
    """Return every table but those that MLflow has for itself, without what is drawn by chance or by the clock."""
    with closing(sqlite3.connect(database)) as connection:
        names = ("runs", "tags", "params", "metrics", "latest_metrics")
        tables = {name: pd.read_sql(f"SELECT * FROM {name}", connection) for name in names}
    own = dict(zip(tables["runs"]["run_uuid"], tables["runs"]["name"], strict=True))
    text = {
        name: table.replace(own).drop(columns=["start_time", "end_time"], errors="ignore")
        for name, table in tables.items()
    }
    text["runs"]["artifact_uri"] = [
        uri.replace(run, own[run])
        for uri, run in zip(tables["runs"]["artifact_uri"], tables["runs"]["run_uuid"], strict=True)
    ]
    return {name: sorted(map(str, table.to_dict("records"))) for name, table in text.items()}


def test_finished_runs_are_the_rows_that_mlflows_client_writes(tmp_path: Path) -> None:
    import mlflow
    from mlflow.entities import Metric

    from straightline.tracking import bulk

    runs = [
        bulk.FinishedRun("config 0", "FINISHED", {"role": "config"}, {"a.b": 1, "c": [8]}, {"loss": 0.5, "n": 3.0}),
        bulk.FinishedRun("config 1", "FAILED", {"role": "config", "reason": "diverged"}, {"a.b": 2}, {}),
    ]
    for name, way in (("insert", bulk.publish_runs), ("call", bulk.call)):
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/{name}.db")
        way(client, client.create_experiment("one", artifact_location="file:///artifacts"), runs)
    epochs = [Metric(key, value, 0, step) for key in ("loss", "val_loss") for step, value in enumerate((3.0, 1.0, 2.0))]
    for name, log in (("insert", bulk.publish_metrics), ("call", lambda client, *of: client.log_batch(of[0], of[1]))):
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/{name}.db")
        (run,) = client.search_runs(["1"], "attributes.run_name = 'config 1'")
        log(client, run.info.run_id, epochs)
    inserted, called = rows_of(tmp_path / "insert.db"), rows_of(tmp_path / "call.db")
    assert inserted == called
    assert {name: len(rows) for name, rows in called.items()} == {
        "runs": 2,
        "tags": 5,
        "params": 3,
        "metrics": 8,
        "latest_metrics": 4,
    }


def statuses(folder: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as connection:
        return connection.execute("SELECT status, COUNT(*) FROM runs GROUP BY status ORDER BY status").fetchall()


def test_a_killed_sweep_leaves_no_run_running(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.opened(here):  # makes it
        pass
    words = ["models.neural.learning_rate=0.003,0.03", "fit.seed=range(0,400)", *QUICK, *OWN[:-1]]
    with subprocess.Popen(
        [sys.executable, "-m", "straightline", "sweep", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as killed:
        assert killed.stdout is not None
        assert any(b" of 800 configs" in line for line in killed.stdout)
        assert "RUNNING" in dict(wait_for(lambda: statuses(here), lambda found: "RUNNING" in dict(found)))
        killed.kill()
    found = dict(wait_for(lambda: statuses(here), lambda found: "RUNNING" not in dict(found)))
    assert found["KILLED"] == 1
    assert 1 + 128 <= sum(found.values()) < 800


def wait_for(ask: Callable[[], Any], holds: Callable[[Any], bool], seconds: float = 60) -> Any:
    """Return the first answer that holds, or the last one."""
    end = time.monotonic() + seconds
    while not holds(answer := ask()) and time.monotonic() < end:
        time.sleep(0.1)
    return answer


def test_a_store_that_cannot_be_used_is_said_after_what_was_found_is_kept(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/mlflow.db")
    found = invoke("sweep", "models.neural.learning_rate=0.003,0.03", *QUICK, *OWN[:-1])
    assert isinstance(found.exception, UserError)
    assert "MLflow's store sqlite:////proc/mlflow.db cannot be used" in str(found.exception)
    assert "the results are in sweeps/" in str(found.exception)
    assert (here / "sweeps/sweep.json").exists()


def test_the_winner_is_adopted_where_its_settings_live(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    shutil.copytree(ROOT / "conf", project / "conf")
    rows = f"data.rows={yaml.safe_load((project / 'params.yaml').read_text())['data']['rows']}"
    varied = ("models.neural.learning_rate=0.003,0.03", "models.neural.hidden=[3],[4,2]", "fit.batch_size=16,64")
    found = invoke("sweep", *varied, *QUICK[:-1], rows, "--target", "color", "--no-track", "--adopt")
    assert found.exit_code == 0, found.output
    point = json.loads((project / "sweeps/sweep.json").read_text())["point"]
    values = yaml.safe_load(compose.render(project / "conf"))
    before = yaml.safe_load(compose.render(ROOT / "conf"))
    before["models"]["neural"] |= {
        "learning_rate": float(point["models.neural.learning_rate"]),
        "hidden": json.loads(point["models.neural.hidden"]),
        "selected_from": 8,
    }
    before["fit"]["batch_size"] = int(point["fit.batch_size"])
    assert values == before
    comments = [line for line in (ROOT / "conf/model/neural.yaml").read_text().splitlines() if "#" in line]
    assert set(comments) <= set((project / "conf/model/neural.yaml").read_text().splitlines())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sweep", "fit.seed=1,2"), "run `dvc repro data` first"),
        (
            ("sweep", "fit.seed=1,2", "--target", "colour", "data.rows=600"),
            "expected one of num_balloons, color, got colour",
        ),
        (("sweep", "fit.seed=1,2", "data.rows=600"), "expected one of num_balloons, color, got none"),
        (("sweep", "fit.seed=1,2", "--table", "none.csv"), "--table: expected --target too"),
        (
            ("sweep", "fit.seed=1,2", "--table", "none.csv", "--target", "y", "--adopt"),
            "--adopt: expected the pipeline's",
        ),
        (("sweep", "fit.seed=1,2", "--table", "none.csv", "--target", "y"), "none.csv: no such file"),
        (("sweep", "fit.seed=1,2", "--name", "../other"), "--name: expected letters, digits, - and _"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(project)
    (project / "conf").symlink_to(ROOT / "conf")
    found = invoke(*arguments)
    assert isinstance(found.exception, UserError), found.output
    assert told in str(found.exception)
    assert not (project / "sweeps").exists()


def test_tpe_ends_in_the_region_of_the_best_learning_rates() -> None:
    """What few epochs reach decides: a grid says where the best rates are, and TPE's best is one of them."""
    table = curved(rows=100)
    fixed = ("fit.epochs=3", "models.neural.hidden=[8]")
    trainer = Trainer(table, "neural", table.split.folds(100, 3, 1, 0), seeds=1)

    def losses(of: Space, points: Any) -> list[dict[str, Any]]:
        scored = trainer.scored([of.config(point) for point in points])
        return [{"loss": None if one.losses is None else float(one.losses.mean())} for one in scored]

    rates = np.geomspace(1e-5, 1, 26)
    grid = made("models.neural.learning_rate=" + ",".join(map(str, rates)), *fixed)
    known = np.array([one["loss"] for one in losses(grid, grid.points())])
    best = rates[known.argmin()]
    assert (known > 2 * known.min()).mean() > 0.5  # most of five decades is not like it

    of = made("models.neural.learning_rate=tag(log,interval(1e-5,1))", *fixed)
    study = search.study("one", None, "tpe", of, 40, seed=1)
    search.run(study, of, 40, 8, str, lambda points: losses(of, points), {}, list)
    assert best / 3 < study.best_params["models.neural.learning_rate"] < best * 3


def told_of(database: Path) -> int:
    """Return how many trials were told to a database, whatever else is being written to it."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        table = "trial_user_attributes"
        if not connection.execute(f"SELECT name FROM sqlite_master WHERE name = '{table}'").fetchall():
            return 0
        (count,) = connection.execute(f"SELECT COUNT(*) FROM {table} WHERE key = '{search.OUTCOME}'").fetchone()
        return int(count)


def test_a_sweep_killed_without_warning_goes_on_and_trains_nothing_twice(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["sweep", "models.neural.learning_rate=0.003,0.03", "fit.seed=range(0,40)", *QUICK, *OWN]
    command = [sys.executable, "-m", "straightline", *words, "--storage", "sqlite:///sweep.db"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while not told_of(here / "sweep.db") and first.poll() is None:
            time.sleep(0.05)
        first.kill()
    told = told_of(here / "sweep.db")
    assert 0 < told < 80
    assert not (here / "sweeps").exists()
    scored, trained = Trainer.scored, list[int]()
    counted = lambda self, configs, *rest: trained.append(len(configs)) or scored(self, configs, *rest)  # noqa: E731
    monkeypatch.setattr(Trainer, "scored", counted)
    found = invoke(*words, "--storage", "sqlite:///sweep.db")
    assert found.exit_code == 0, found.output
    assert f"sweep: {told} of 80 configs, best loss " in found.output
    assert sum(trained) == 80 - told
    columns = ["models.neural.learning_rate", "fit.seed", "loss", "between_folds", "epochs", "steps"]
    resumed = pd.read_csv(here / "sweeps/sweep.csv")[columns]
    assert invoke(*words, "--name", "whole").exit_code == 0
    # Stacks of other sizes differ in the last digits, and how many are left is for the kill to say.
    pd.testing.assert_frame_equal(resumed, pd.read_csv(here / "sweeps/whole.csv")[columns], rtol=1e-6)
