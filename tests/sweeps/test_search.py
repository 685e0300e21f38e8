"""Searches that find a known optimum, and go on where they were killed."""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from straightline.errors import UserError
from straightline.sweeps import search
from straightline.sweeps.space import Space
from straightline.sweeps.trainer import Trainer
from tests.sweeps.cases import OWN, QUICK, curved, invoke, space_of


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
        study = search.study("one", options.get("storage"), chosen, seed=0)
        points = search.grid(chosen, count, of, 0)
        known = search.remembered(options.get("storage"))
        search.run(study, of, points, count, 8, lambda point: json.dumps(point, sort_keys=True), evaluate, known, list)
        return [(trial.params, trial.value) for trial in search.finished(study)]

    @pytest.mark.parametrize(
        ("sampler", "trials", "best"), [("tpe", 80, 0.01), ("qmc", 80, 0.05), ("random", 80, 0.05)]
    )
    def test_the_best_of_a_known_bowl_is_found_and_found_again(self, sampler: str, trials: int, best: float) -> None:
        of = space_of(*self.SPACE)
        found = self.sweep(of, sampler, trials, self.bowl)
        assert len(found) == trials
        assert min(value for _, value in found) < best
        assert self.sweep(of, sampler, trials, self.bowl) == found

    def test_a_grid_is_every_point_or_some_by_chance(self) -> None:
        of = space_of("models.neural.learning_rate=0.1,0.01,0.001", "models.neural.l2=0,0.1")
        bowl = self.numbers(of)
        assert [params for params, _ in self.sweep(of, None, None, bowl)] == of.points()
        some = [params for params, _ in self.sweep(of, None, 4, bowl)]
        assert len(some) == 4
        assert [point for point in of.points() if point in some] == some
        with pytest.raises(UserError, match="intervals have no grid"):
            search.plan("grid", None, space_of(*self.SPACE))

    def numbers(self, of: Space) -> Callable:
        return lambda points: self.bowl([{one.key: one.value(point) for one in of.dimensions} for point in points])

    def test_a_killed_sweep_goes_on_where_it_was(self, tmp_path: Path) -> None:
        of = space_of("models.neural.learning_rate=range(0.01,0.11,0.01)", "models.neural.l2=0,0.1")
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
        of = space_of("models.neural.learning_rate=range(0.01,0.06,0.01)", "models.neural.l2=0,0.1")
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

    @pytest.mark.parametrize("kept", [0, 3, 11])
    def test_a_grid_that_was_killed_while_its_points_were_enqueued_is_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
    ) -> None:
        of = space_of("models.neural.learning_rate=range(0.01,0.11,0.01)", "models.neural.l2=0,0.1")
        storage = f"sqlite:///{tmp_path}/sweep.db"
        enqueue, calls = optuna.Study.enqueue_trial, list[int]()

        def killed(study: optuna.Study, *point: Any, **how: Any) -> None:
            if len(calls) == kept:
                raise KeyboardInterrupt
            calls.append(1)
            enqueue(study, *point, **how)

        monkeypatch.setattr(optuna.Study, "enqueue_trial", killed)
        with pytest.raises(KeyboardInterrupt):
            self.sweep(of, None, None, self.numbers(of), storage=storage)
        monkeypatch.setattr(optuna.Study, "enqueue_trial", enqueue)
        found = self.sweep(of, None, None, self.numbers(of), storage=storage)
        assert sorted(found, key=str) == sorted(self.sweep(of, None, None, self.numbers(of)), key=str)

    def test_a_storage_that_cannot_be_is_said(self) -> None:
        with pytest.raises(UserError, match="sweep: storage nonsense: "):
            search.study("one", "nonsense", "tpe", 0)


@pytest.mark.slow
def test_tpe_ends_in_the_region_of_the_best_learning_rates() -> None:
    """What few epochs reach decides: a grid says where the best rates are, and TPE's best is one of them."""
    table = curved(rows=100)
    fixed = ("fit.epochs=3", "models.neural.hidden=[8]")
    trainer = Trainer(table, "neural", table.split.folds(100, 3, 1, 0), seeds=1)

    def losses(of: Space, points: Any) -> list[dict[str, Any]]:
        scored = trainer.scored([of.config(point) for point in points])
        return [{"loss": None if one.losses is None else float(one.losses.mean())} for one in scored]

    rates = np.geomspace(1e-5, 1, 26)
    grid = space_of("models.neural.learning_rate=" + ",".join(map(str, rates)), *fixed)
    known = np.array([one["loss"] for one in losses(grid, grid.points())])
    best = rates[known.argmin()]
    assert (known > 2 * known.min()).mean() > 0.5  # most of five decades is not like it

    of = space_of("models.neural.learning_rate=tag(log,interval(1e-5,1))", *fixed)
    study = search.study("one", None, "tpe", seed=1)
    search.run(study, of, None, 40, 8, str, lambda points: losses(of, points), {}, list)
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


@pytest.mark.slow
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
