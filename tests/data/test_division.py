"""Rows that chance must not divide: groups that stay together, and the order of time."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.comparison.findings import compare
from straightline.comparison.significance import Comparison
from straightline.config.table_options import TableOptions, table_settings
from straightline.data.folds import Split
from straightline.data.schema import read_schema
from straightline.errors import UserError
from straightline.stages import data

QUICK = ("effort=single", "reference=none", "models.neural.hidden=[4]", "fit.epochs=4", "folds.k=4", "folds.seeds=1")


@given(st.integers(0, 999), st.integers(2, 5), st.integers(1, 3), st.booleans(), st.floats(0.05, 0.9))
@settings(deadline=None)
def test_no_group_is_on_both_sides(seed: int, k: int, repeats: int, binary: bool, share: float) -> None:
    random = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(4 * k), random.integers(0, 4 * k, 80)])
    rows = np.arange(len(groups), dtype=np.int32)
    split = Split(random.integers(0, 2, len(groups)) if binary else None, groups)
    folds = split.folds(len(groups), k, repeats, seed)
    assert [(fold.repeat, fold.fold) for fold in folds] == [(r, f) for r in range(repeats) for f in range(k)]
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == rows.tolist()
        assert not set(groups[fold.train]) & set(groups[fold.test])
    for kept, aside in (split.set_aside(rows, share, seed), split.set_aside(folds[0].train, share, seed)):
        assert not set(groups[kept]) & set(groups[aside])
        assert len(kept)
        assert len(aside)
    kept, aside = split.set_aside(rows, share, seed)
    assert sorted([*kept, *aside]) == rows.tolist()
    assert split.sample(rows, 1 - share, seed).tolist() == split.set_aside(rows, 1 - (1 - share), seed)[0].tolist()


@given(st.integers(0, 999), st.integers(2, 6), st.sampled_from(["", "classes", "groups", "both", "time"]))
@settings(deadline=None)
def test_parts_cover_the_rows_once_and_keep_groups_shares_and_time(seed: int, count: int, by: str) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, random.integers(2, 30), 90)
    classes = (np.arange(90) < random.integers(2, 45)).astype(int)
    has_classes, has_groups = by in ("classes", "both"), by in ("groups", "both")
    split = Split(classes if has_classes else None, groups if has_groups else None, by == "time")
    rows = np.sort(random.permutation(90)[:70]).astype(np.int32)
    if has_groups and len(np.unique(groups[rows])) < 2:
        return
    parts = split.parts(rows, count, seed)
    assert 2 <= len(parts) <= count
    tested = np.concatenate([part for _, part in parts])
    assert len(np.unique(tested)) == len(tested)
    for kept, part in parts:
        assert set(kept) <= set(rows) - set(part)
        if by == "time":
            assert kept.max() < part.min()
        else:
            assert sorted([*kept, *part]) == rows.tolist()
        if has_groups:
            assert not set(groups[kept]) & set(groups[part])
        elif has_classes and classes[rows].sum() >= 2:
            assert abs(classes[part].mean() - classes[rows].mean()) <= 1 / len(part)


def test_parts_of_one_group_are_an_error() -> None:
    with pytest.raises(UserError, match="all 5 rows are of one group"):
        Split(groups=np.zeros(9, int)).parts(np.arange(5, dtype=np.int32), 5, 0)


@given(st.integers(20, 300), st.integers(2, 10), st.floats(0.01, 0.95))
def test_time_only_runs_forward(rows: int, k: int, share: float) -> None:
    folds = Split(ordered=True).folds(rows, k, 1, seed=3)
    assert [fold.fold for fold in folds] == list(range(k))
    for fold in folds:
        assert fold.train.tolist() == list(range(fold.test[0]))
        assert fold.test.tolist() == list(range(fold.test[0], fold.test[0] + rows // (2 * k)))
        assert len(fold.train) >= rows / 2
    assert folds[-1].test[-1] == rows - 1
    assert [fold.test[-1] + 1 for fold in folds[:-1]] == [fold.test[0] for fold in folds[1:]]
    every = np.arange(rows, dtype=np.int32)
    kept, aside = Split(ordered=True).set_aside(every, share, seed=3)
    assert [*kept, *aside] == every.tolist()
    assert len(aside) == min(max(round(share * rows), 1), rows - 1)
    assert Split(ordered=True).sample(every, share, seed=3).tolist() == aside.tolist()


def test_folds_that_cannot_be_made_are_told() -> None:
    with pytest.raises(UserError, match="7 groups in the training rows are too few for 4 folds; expected at least 8"):
        Split(groups=np.arange(100) % 7).folds(100, 4, 1, 0)
    with pytest.raises(UserError, match="all 10 rows are of one group"):
        Split(groups=np.zeros(10, int)).set_aside(np.arange(10, dtype=np.int32), 0.2, 0)
    with pytest.raises(UserError, match="can be divided once, not 3 times"):
        Split(ordered=True).folds(100, 4, 3, 0)
    late = (np.arange(100) > 80).astype(int)
    with pytest.raises(UserError, match="the 52 training rows of fold 0 of repeat 0 have no row of class 1, since"):
        Split(late, ordered=True).folds(100, 4, 1, 0)


def test_the_correction_is_that_of_the_folds_rows() -> None:
    random = np.random.default_rng(0)
    regression, neural = random.normal(1, 0.1, (2, 10))
    plain, same, ordered = (compare(Comparison(regression, neural, 10, ratio), 0, 0.95) for ratio in (None, 1 / 9, 0.2))
    assert plain.test.std_error == same.test.std_error
    spread = np.std(regression - neural, ddof=1)
    assert ordered.test.std_error == pytest.approx(spread * np.sqrt(1 / 10 + 0.2), rel=1e-12)
    assert (plain.test.repeatable, ordered.test.repeatable) == (True, False)


def shops(folder: Path) -> pd.DataFrame:
    random = np.random.default_rng(1)
    table = pd.DataFrame({"shop": [f"shop {number}" for number in random.integers(0, 20, 240)]})
    table["day"] = pd.date_range("2026-01-01", periods=240).strftime("%Y-%m-%d")
    table["size"] = random.uniform(1, 9, 240)
    table["sales"] = 3 * table["size"] + random.normal(0, 1, 240)
    table["open"] = np.where(random.random(240) < 0.5, "yes", "no")
    table = table.sample(frac=1, random_state=0, ignore_index=True)
    table.to_csv(folder / "shops.csv", index=False)
    return table


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", "shops.csv", *arguments, *QUICK])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line_loss(train: pd.DataFrame, test: pd.DataFrame) -> float:
    slope, intercept = np.polyfit(train["size"], train["sales"], 1)
    return float(np.mean((test["sales"] - intercept - slope * test["size"]) ** 2))


@pytest.mark.usefixtures("without_pictures")
def test_groups_stay_together_in_all_that_a_run_divides(here: Path) -> None:
    shops(here)
    found = invoke("--target", "sales", "--groups", "shop", "--exclude", "day,open", "folds.repeats=2")
    assert found.exit_code == 0, found.output
    assert "Rows of the same shop are never in both training and scored rows." in found.output
    out = here / "straightline-shops"
    assert "Rows of the same shop" in (out / "reports/index.html").read_text()
    assert read_schema(out).features == ["size"]
    train, test = (pd.read_parquet(out / f"data/{part}.parquet") for part in ("train", "test"))
    assert (train["shop"].nunique(), test["shop"].nunique()) == (16, 4)
    assert not set(train["shop"]) & set(test["shop"])
    folds = Split(groups=pd.factorize(train["shop"])[0]).folds(len(train), 4, 2, 0)
    shown = pd.read_csv(out / "runs/sales/regression/folds.csv")
    known = [line_loss(train.iloc[fold.train], train.iloc[fold.test]) for fold in folds]
    np.testing.assert_allclose(shown["loss"], known, rtol=1e-9)
    verdict = json.loads((out / "verdicts/sales.json").read_text())
    assert verdict["split"] == {"by": "groups", "column": "shop"}
    assert verdict["repeats"] == 2


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.slow
@pytest.mark.parametrize("by", [("--time", "day"), ()])
def test_time_is_kept_in_all_that_a_run_divides(here: Path, by: tuple[str, ...]) -> None:
    table = shops(here)
    found = invoke("--target", "sales", "--target", "open", "--split", "time", *by, "--features", "size,shop")
    assert found.exit_code == 0, found.output
    assert "Models train on earlier rows and are scored on later ones" in found.output
    out = here / "straightline-shops"
    order = table.sort_values("day") if by else table
    train, test = (pd.read_parquet(out / f"data/{part}.parquet") for part in ("train", "test"))
    assert train["size"].tolist() + test["size"].tolist() == pytest.approx(order["size"].tolist())
    verdict = json.loads((out / "verdicts/sales.json").read_text())
    assert verdict["repeats"] == 1
    shown = pd.read_csv(out / "runs/sales/regression/folds.csv")
    parts = list(TimeSeriesSplit(4, test_size=len(train) // 8).split(train))
    assert shown["train_rows"].tolist() == [len(rows) for rows, _ in parts]
    test_of = verdict["challengers"]["neural"]["test"]
    neural = pd.read_csv(out / "runs/sales/neural/folds.csv")["loss"]
    spread = np.std(0.95 * shown["loss"] - neural, ddof=1)
    ratio = np.mean([len(scored) / len(rows) for rows, scored in parts])
    assert test_of["std_error"] == pytest.approx(spread * np.sqrt(1 / 4 + ratio), rel=1e-9)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--groups", "shp"), "has no column 'shp'; nearest: shop"),
        (("--groups", "gap"), "column 'gap' is missing in 1 of 240 rows, first in row 3; rows cannot be divided by it"),
        (("--groups", "same"), "all 240 rows are of one group"),
        (("--groups", "few"), "5 groups in the training rows are too few for 4 folds"),
        (("--groups", "sales"), "rows cannot be divided by 'sales', which is a target"),
        (
            ("--split", "time", "--time", "shop"),
            "row 1: expected a number or a date such as 2026-01-31 to order rows by, got",
        ),
        (("--split", "time", "--time", "gap"), "column 'gap' is missing in 1 of 240 rows"),
        (("--time", "day"), "data.time: expected null unless data.split is time"),
        (("--groups", "shop", "--split", "time"), "data.split: expected chance if data.groups is set"),
        (("--split", "time", "folds.repeats=2"), "can be divided once, not 2 times"),
    ],
)
def test_what_rows_cannot_be_divided_by_is_told(here: Path, options: tuple[str, ...], told: str) -> None:
    table = shops(here)
    table["gap"] = [None if row == 2 else row for row in range(240)]
    table["same"] = "x"
    table["few"] = [row % 6 for row in range(240)]
    table.to_csv(here / "shops.csv", index=False)
    found = invoke("--target", "sales", *options)
    assert isinstance(found.exception, UserError), found.output
    assert told in str(found.exception)
    assert "\n" not in str(found.exception)
    assert [path.name for path in here.iterdir()] == ["shops.csv"]


def test_a_warning_names_the_options_and_goes_when_they_are_taken(here: Path) -> None:
    table = shops(here).sort_values("day")
    table["sales"] += np.linspace(0, 60, 240)
    table.to_csv(here / "shops.csv", index=False)
    assert "data.split=time" in warnings_of(here)
    assert "neighbouring rows" not in warnings_of(here, split="time", time="day")
    assert "neighbouring rows" not in warnings_of(here, groups="shop")


def warnings_of(here: Path, **settings: str) -> str:
    """Return what the data stage warns of if the table is divided by these settings."""
    options = TableOptions(here / "shops.csv", ["sales"], data={"features": ["size"], **settings})
    (here / "params.yaml").write_text(table_settings(options))
    data.run(here)
    return " ".join(read_schema(here).warnings)
