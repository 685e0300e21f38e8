"""Weights, offsets and exposures: each error and note, what becomes of their rows, and the columns that they are."""

import shlex
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from straightline.cli import tables
from straightline.commands import run
from straightline.config.settings import Config, parse
from straightline.config.table_options import TableOptions, command_line, table_settings
from straightline.data.preparation import Prepared, prepare
from straightline.data.row_values import new_offset, offset_of
from straightline.data.schema import Schema, read_schema
from straightline.data.training_table import TrainingTable, training_table
from straightline.errors import UserError
from straightline.families.target import Target
from straightline.stages import data as data_stage
from tests.builders import rows_of, user_table

ROWS = 60


def claims() -> pd.DataFrame:
    """Return counts with an exposure, an offset and weights."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"age": random.uniform(18, 80, ROWS), "power": random.uniform(1, 9, ROWS)})
    table["years"] = random.uniform(0.1, 3, ROWS)
    table["shift"] = random.normal(size=ROWS)
    table["cars"] = random.integers(1, 5, ROWS)
    table["claims"] = random.poisson(table["years"] * np.exp(table["age"] / 40 + table["shift"] - 1))
    table["cost"] = random.gamma(2, 50, ROWS)
    table["kind"] = np.array(["new", "old", "rare"])[np.arange(ROWS) % 3]
    return table


def settings(params: dict, targets: dict[str, dict[str, Any]], **data: Any) -> Config:
    target = next(iter(targets.values()))["column"]
    return parse(params | {"data": user_table("t.csv", target) | data, "targets": targets})


def counts(**options: Any) -> dict[str, dict[str, Any]]:
    return {"claims": {"column": "claims", "family": "poisson"} | options}


def prepared(params: dict, table: pd.DataFrame, targets: dict[str, dict[str, Any]], **data: Any) -> Prepared:
    return prepare(settings(params, targets, **data), table)


# Errors

BROKEN = {"cars": {7: 2.5}}
WEIGHT_ERRORS = [
    ({"cars": {7: -1.0}}, {}, "t.csv: weights 'cars', row 8: -1 is negative; expected 0 or more"),
    ({"cars": {7: -0.5}}, {"weights_are": "sampling"}, "weights 'cars', row 8: -0.5 is negative"),
    ({"cars": dict.fromkeys(range(ROWS), 0)}, {}, "weights 'cars': all are 0; expected a weight above 0 in the rows"),
    (
        BROKEN,
        {"weights_are": "frequency"},
        "weights 'cars', row 8: 2.5 is no whole number, which frequencies are; set --weights-are sampling",
    ),
    (
        {"cars": {7: None}},
        {},
        "weights 'cars': expected finite numbers, got 1 missing or infinite ones, first in row 8",
    ),
    ({"cars": {7: np.inf}}, {}, "weights 'cars': expected finite numbers, got 1 missing or infinite ones"),
    ({"cars": {7: "many"}}, {}, "row 8: expected a number"),
    ({}, {"weights": "car"}, "t.csv: has no column 'car'; nearest: cars"),
    ({}, {"weights": "day"}, "weights 'day': has dates, expected numbers; name another column"),
    ({}, {"weights": "claims"}, "'claims' is a target, which no new row has; choose another column for weights"),
]


def changed(changes: dict[str, dict[int, Any]]) -> pd.DataFrame:
    table = claims().assign(day=pd.date_range("2026-01-01", periods=ROWS))
    for name, cells in changes.items():
        column = table[name].astype(object)
        for row, value in cells.items():
            column.iloc[row] = value
        table[name] = column.infer_objects()
    return table


@pytest.mark.parametrize(("changes", "data", "told"), WEIGHT_ERRORS)
def test_weights_that_are_none_are_told(
    params: dict, changes: dict[str, dict[int, Any]], data: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError) as error:
        prepared(params, changed(changes), counts(), **{"weights": "cars", "exclude": ["day"]} | data)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


OFFSET_ERRORS = [
    (
        {"years": {7: 0.0}},
        {"exposure": "years"},
        "t.csv: exposure 'years', row 8: is 0; expected more than 0 in every row: a row without exposure says nothing, "
        "leave it out",
    ),
    ({"years": {7: -2.0}}, {"exposure": "years"}, "exposure 'years', row 8: is -2; expected more than 0"),
    ({"years": {7: None}}, {"exposure": "years"}, "exposure 'years': expected finite numbers, got 1 missing"),
    ({}, {"exposure": "day"}, "exposure 'day': has dates, expected numbers"),
    ({}, {"exposure": "year"}, "has no column 'year'; nearest: years"),
    (
        {"shift": {7: 101.0}},
        {"offset": "shift"},
        "offset 'shift', row 8: 101 is too large to be added to a logarithm; expected at most 100: name the column "
        "--exposure if it is an amount",
    ),
    ({"shift": {7: -5000.0}}, {"offset": "shift"}, "offset 'shift', row 8: -5000 is too large"),
    ({"shift": {7: np.nan}}, {"offset": "shift"}, "offset 'shift': expected finite numbers"),
    ({}, {"offset": "kind"}, "offset 'kind', row 1: expected a number, got 'new'"),
]


@pytest.mark.parametrize(("changes", "target", "told"), OFFSET_ERRORS)
def test_offsets_and_exposures_that_are_none_are_told(
    params: dict, changes: dict[str, dict[int, Any]], target: dict[str, str], told: str
) -> None:
    with pytest.raises(UserError) as error:
        prepared(params, changed(changes), counts(**target), exclude=["day"])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (
            {"column": "cost", "family": "auto", "exposure": "years"},
            "'cost' has family: gaussian, which takes no offset or exposure; expected them for poisson and gamma only: "
            "set --family, or leave years out",
        ),
        (
            {"column": "kind", "family": "auto", "offset": "shift", "exposure": "years"},
            "has family: multinomial, which takes no offset or exposure; expected them for poisson and gamma only: set "
            "--family, or leave shift and years out",
        ),
        ({"column": "cost", "family": "gamma", "reference": "new"}, "has no classes with family: gamma"),
        ({"column": "kind", "family": "auto", "reference": "newer"}, "has no class 'newer' to refer to; expected one"),
    ],
)
def test_what_a_family_does_not_take_is_told(params: dict, target: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=r"t\.csv: target") as error:
        prepared(params, claims(), {"y": target})
    assert told in str(error.value)


def test_the_kind_of_weights_needs_weights(params: dict) -> None:
    with pytest.raises(UserError, match=r"data.weights_are: expected null unless data.weights names a column"):
        settings(params, counts(), weights_are="sampling")


def test_several_problems_are_one_line(params: dict) -> None:
    table = changed({"cars": {7: -1}, "years": {3: 0.0}, "claims": {5: -2}})
    with pytest.raises(UserError) as error:
        prepared(params, table, counts(exposure="years"), weights="cars", exclude=["day"])
    assert "weights 'cars', row 8" in str(error.value)
    assert "row 6: -2 is negative" in str(error.value)
    assert str(error.value).count("t.csv") == 1


# Notes, and what becomes of the rows


@pytest.mark.parametrize(
    ("cells", "kind", "notes"),
    [
        (
            {},
            None,
            [
                "cars: taken as frequencies, as if a row stood there so many times; set --weights-are sampling if they "
                "come from a survey"
            ],
        ),
        ({7: 2.5}, None, ["cars: taken as sampling weights, since some are no whole numbers"]),
        ({7: 2.5}, "sampling", []),
        ({}, "frequency", []),
        ({7: 0, 9: 0}, "frequency", ["cars: 0 in 2 rows, left out"]),
    ],
)
def test_what_weights_are_taken_for_is_noted(
    params: dict, cells: dict[int, Any], kind: str | None, notes: list[str]
) -> None:
    found = prepared(
        params, changed({"cars": cells}), counts(), weights="cars", weights_are=kind, exclude=["day", "kind"]
    )
    assert found.schema.warnings[: len(notes)] == notes
    assert not [note for note in found.schema.warnings[len(notes) :] if "cars" in note]
    expected = kind or ("sampling" if 2.5 in cells.values() else "frequency")
    assert (found.schema.weights, found.schema.weights_are) == ("cars", expected)


def test_rows_of_weight_0_are_as_if_they_were_not_there(params: dict) -> None:
    table = claims()
    absent = [3, 4, 50]
    weighted = table.assign(cars=table["cars"].where(~table.index.isin(absent), 0))
    found = prepared(params, weighted, counts(), weights="cars", held_out=0.0)
    known = prepared(params, table.drop(index=absent), counts(), weights="cars", held_out=0.0)
    pd.testing.assert_frame_equal(found.train, known.train)
    assert found.schema.encoding == known.schema.encoding
    assert found.schema.rows == known.schema.rows


def test_later_errors_name_the_rows_of_the_file(params: dict) -> None:
    table = changed({"cars": {0: 0, 1: 0}, "claims": {5: 1.5}})
    with pytest.raises(UserError, match=r"target 'claims', row 6: 1.5 is no whole number"):
        prepared(params, table, counts(), weights="cars", exclude=["day"])
    table = changed({"cars": {0: 0, 1: 0}, "years": {9: 0.0}})
    with pytest.raises(UserError, match=r"exposure 'years', row 10: is 0"):
        prepared(params, table, counts(exposure="years"), weights="cars", exclude=["day"])
    table = changed({"cars": {0: 0, 1: 0}, "age": {9: np.inf}})
    with pytest.raises(UserError, match=r"'age'.*first in row 10"):
        prepared(params, table, counts(), weights="cars", exclude=["day"])


def test_a_bad_row_of_weight_0_does_not_count(params: dict) -> None:
    table = changed({"cars": {5: 0, 9: 0}, "claims": {5: -1.5}, "years": {9: 0.0}})
    found = prepared(params, table, counts(exposure="years"), weights="cars", exclude=["day"])
    assert found.schema.rows.train + found.schema.rows.test == ROWS - 2


def test_columns_of_rows_are_no_features_but_stay_in_the_table(params: dict) -> None:
    targets = counts(exposure="years", offset="shift")
    found = prepared(params, claims(), targets, weights="cars")
    assert found.schema.features == ["age", "power", "cost", "kind"]
    assert set(found.train) == {*found.schema.features, "years", "shift", "cars", "claims"}
    assert found.schema.targets == {"claims": Target("claims", "poisson", None, "shift", "years")}


def test_a_column_of_rows_that_is_named_as_a_feature_is_an_error(params: dict) -> None:
    for name in ("cars", "years", "shift"):
        with pytest.raises(UserError, match=rf"\['{name}'\] is also a target, a weight, an offset or excluded"):
            prepared(params, claims(), counts(exposure="years", offset="shift"), weights="cars", features=["age", name])


def test_one_column_may_be_the_exposure_of_a_target_and_no_feature_of_another(params: dict) -> None:
    targets = counts(exposure="years") | {"cost": {"column": "cost", "family": "gamma"}}
    found = prepared(params, claims(), targets)
    assert "years" not in found.schema.features
    assert found.schema.targets["cost"].offset_columns == []


def test_numbers_of_rows_may_be_written_as_people_do(params: dict) -> None:
    table = claims()
    table["years"] = [f"{value:,.2f} kg" for value in 1000 * table["years"]]
    table["cars"] = [f"{value}" for value in table["cars"]]
    found = prepared(params, table, counts(exposure="years"), weights="cars", held_out=0.0)
    assert found.train["years"].to_numpy() == pytest.approx(np.round(1000 * claims()["years"], 2))


def test_the_offset_is_the_sum_of_both() -> None:
    table, target = claims(), Target("claims", "poisson", None, "shift", "years")
    np.testing.assert_allclose(offset_of(table, target), table["shift"] + np.log(table["years"]), rtol=1e-15)
    np.testing.assert_allclose(offset_of(table, replace(target, offset=None)), np.log(table["years"]), rtol=1e-15)
    np.testing.assert_allclose(new_offset(table, replace(target, exposure=None), "new.csv"), table["shift"])
    assert offset_of(table, Target("claims", "poisson")) is None
    with pytest.raises(UserError, match=r"new.csv: has no column 'years'"):
        new_offset(table.drop(columns="years"), target, "new.csv")
    with pytest.raises(UserError, match=r"new.csv: exposure 'years', row 4: is 0"):
        new_offset(table.assign(years=table["years"].where(table.index != 3, 0)), target, "new.csv")


# Classes


def test_a_class_that_only_held_out_rows_have_is_told(params: dict) -> None:
    table = claims()
    table["kind"] = ["new", "old", "used"] * 16 + ["rare"] * 12
    target = {"kind": {"column": "kind", "family": "auto"}}
    told = r"t.csv: target 'kind': only the held-out rows have class 'rare', so that no model can learn it"
    with pytest.raises(UserError, match=told):
        prepared(params, table, target, split="time")
    table["shop"] = [number // 4 for number in range(48)] + [99] * 12
    seeds = range(40)
    found = []
    for seed in seeds:
        try:
            prepared(params, table, target, groups="shop", seed=seed)
        except UserError as error:
            found.append(str(error))
    assert found  # in some divisions the only shop with the class is held out
    assert all("only the held-out rows have class 'rare'" in message for message in found)
    assert len(found) < len(seeds)


def test_more_than_thirty_classes_say_what_to_do(params: dict) -> None:
    table = claims().assign(kind=[f"kind {number % 31}" for number in range(ROWS)])
    with pytest.raises(UserError, match=r"has 31 different words .*at most 30 classes: join rare classes into one"):
        prepared(params, table, {"kind": {"column": "kind", "family": "auto"}})
    with pytest.raises(UserError, match=r"has 31 classes .*expected at most 30: join rare classes into one"):
        prepared(params, table, {"kind": {"column": "kind", "family": "multinomial"}})


def test_folds_that_a_rare_class_is_too_small_for_are_told(tmp_path: Path, params: dict) -> None:
    table = claims()
    table["kind"] = ["new", "old"] * 28 + ["rare"] * 4
    with written(tmp_path, params, table, {"kind": {"column": "kind", "family": "auto"}}, held_out=0.0) as rows:
        told = (
            r"the rarest class, 'rare', has 4 training rows, too few for 5 folds; set folds.k to 4 or less, join the "
            r"class with another one, or add rows of it"
        )
        with pytest.raises(UserError, match=told):
            rows.split.folds(ROWS, 5, 1, 0)
        assert len(rows.split.folds(ROWS, 4, 1, 0)) == 4


def test_a_class_that_later_rows_alone_have_is_told_for_its_fold(tmp_path: Path, params: dict) -> None:
    table = claims()
    table["kind"] = ["new", "old", "used"] * 10 + ["rare", "new", "old"] * 10
    target = {"kind": {"column": "kind", "family": "auto"}}
    with written(tmp_path, params, table, target, held_out=0.0, split="time") as rows:
        told = r"training rows of fold 0 of repeat 0 have no row of class 'rare', since rows are divided by time"
        with pytest.raises(UserError, match=told):
            rows.split.folds(ROWS, 5, 1, 0)


# The training table


def written(
    root: Path, params: dict, table: pd.DataFrame, targets: dict[str, dict[str, Any]], **data: Any
) -> AbstractContextManager[TrainingTable]:
    """Return the training table of the only target, as the data stage writes and training reads it."""
    table.to_csv(root / "t.csv", index=False)
    values = params | {"data": user_table("t.csv", "y") | data, "targets": targets}
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    data_stage.run(root)
    return training_table(root, next(iter(targets)), None)


@pytest.mark.parametrize("held_rows", [None, 20])
def test_training_gets_weights_and_offsets_in_the_order_of_the_rows(
    tmp_path: Path, params: dict, held_rows: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_stage, "GROUP_ROWS", 16)
    targets = counts(exposure="years", offset="shift")
    table = claims()
    with written(tmp_path, params, table, targets, weights="cars", weights_are="sampling"):
        train = pd.read_parquet(tmp_path / "data/train.parquet")
        with training_table(tmp_path, "claims", held_rows) as rows:
            whole = rows_of(rows)
            assert len(rows.source.groups) == (1 if held_rows is None else 3)
            np.testing.assert_allclose(whole.weights, train["cars"] / train["cars"].mean())
            np.testing.assert_allclose(whole.offset, train["shift"] + np.log(train["years"]))
            np.testing.assert_array_equal(whole.labels, train["claims"])
            assert rows.sampling
            some = np.array([1, 5, 20, 41], np.int32)
            assert rows.total(some) == pytest.approx(whole.weights[some].sum())
            part = train.iloc[some]
            exposure = part["years"] * np.exp(part["shift"])
            rate = (part["cars"] * part["claims"]).sum() / (part["cars"] * exposure).sum()
            assert rows.baseline(some) == pytest.approx(rate)


def test_frequencies_stay_as_they_are(tmp_path: Path, params: dict) -> None:
    with written(tmp_path, params, claims(), counts(), weights="cars") as rows:
        train = pd.read_parquet(tmp_path / "data/train.parquet")
        np.testing.assert_array_equal(rows.weights, train["cars"])
        assert rows.total(np.arange(len(train), dtype=np.int32)) == train["cars"].sum()
        assert (rows.sampling, rows.offset) == (False, None)


def test_classes_reach_training_with_their_names(tmp_path: Path, params: dict) -> None:
    target = {"kind": {"column": "kind", "family": "auto", "reference": "old"}}
    with written(tmp_path, params, claims(), target) as rows:
        assert rows.classes == ["old", "new", "rare"]
        assert rows.predictor_classes == ["new", "rare"]
        assert rows.family.outputs == 2
        shares = rows.baseline(np.arange(len(rows.labels), dtype=np.int32))
        np.testing.assert_allclose(shares, np.bincount(rows.labels.astype(int)) / len(rows.labels))


def test_the_schema_reads_back(tmp_path: Path, params: dict) -> None:
    targets = counts(exposure="years", offset="shift") | {"kind": {"column": "kind", "family": "auto"}}
    with written(tmp_path, params, claims(), targets, weights="cars"):
        schema = read_schema(tmp_path)
    known = prepared(params, claims(), targets, weights="cars").schema
    assert Schema.from_json(known.to_json(), "schema") == known
    assert (schema.targets, schema.weights, schema.weights_are) == (known.targets, "cars", "frequency")
    plain = replace(known, targets=known.targets | {"claims": replace(known.targets["claims"], exposure=None)})
    assert plain.digest("claims") != known.digest("claims")
    assert plain.digest("kind") == known.digest("kind")


# The command line


@pytest.mark.parametrize(
    ("family", "of_target", "data", "words"),
    [
        ("poisson", {"exposure": "person years"}, {}, "--family poisson --exposure 'person years'"),
        ("gamma", {"offset": "shift"}, {"weights": "cars"}, "--weights cars --family gamma --offset shift"),
        ("multinomial", {"reference": "old"}, {}, "--family multinomial --reference old"),
        (
            "auto",
            {},
            {"weights": "cars", "weights_are": "sampling"},
            "--weights cars --weights-are sampling",
        ),
    ],
)
def test_a_command_line_gives_the_same_settings_again(
    family: str, of_target: dict[str, str], data: dict[str, str], words: str
) -> None:
    options = TableOptions(Path("t.csv"), ["claims"], family, of_target, data)
    line = command_line(options)
    assert words in line
    seen: list[TableOptions] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run, "run", lambda table, *_: seen.append(table))
        found = CliRunner().invoke(tables.app, shlex.split(line)[1:])
    assert found.exit_code == 0, found.output
    assert table_settings(seen[0]) == table_settings(options)
    target = yaml.safe_load(table_settings(options))["targets"]["claims"]
    assert target == {"column": "claims", "family": family, **of_target}
