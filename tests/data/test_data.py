"""Balloons against their closed forms, tables against their faults, splits and folds against their definitions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from straightline.config.settings import Target
from straightline.data import balloons, encoding
from straightline.data.columns import encode_target
from straightline.data.features import fit_encoding
from straightline.data.folds import Split
from straightline.data.reading import read_table
from straightline.data.rows import Rows
from straightline.data.schema import RowCounts, read_schema
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.families.target import Target as FoundTarget
from straightline.regression import exact
from straightline.stages import data
from tests.builders import user_table


@pytest.mark.parametrize(("name", "coefficient"), [("evident_c1_0.1", 0.1), ("printed_c1_1.0", 1.0)])
def test_exact_linear_model_of_balloons(oracles: dict, name: str, coefficient: float) -> None:
    known = oracles["linear"][name]
    weights = balloons.exact_linear(coefficient)
    assert weights == pytest.approx({"Intercept": known["bias"], **known["w"]}, abs=1e-15)
    assert balloons.exact_linear_loss(coefficient) == pytest.approx(known["mse_float"], rel=1e-14)


def test_exact_logistic_model_of_balloons(oracles: dict) -> None:
    known = oracles["logistic"]
    assert balloons.exact_logistic() == pytest.approx({"Intercept": known["bias"], **known["w"]}, rel=1e-13)
    assert balloons.exact_logistic_loss() == pytest.approx(known["cross_entropy"], rel=1e-13)


def test_fits_of_generated_balloons_approach_the_population(oracles: dict) -> None:
    rows = 125_000
    table = balloons.generate(rows, 0, 0.1)
    features = table[list(balloons.FEATURES)].to_numpy()
    linear = exact.optimum(Rows(features, table["num_balloons"].to_numpy()), FAMILIES["gaussian"], balloons.FEATURES)
    assert linear.covariance is not None
    gap = linear.coefficients - np.array(list(balloons.exact_linear(0.1).values()))
    assert np.all(np.abs(gap) < 3 * np.sqrt(np.diag(linear.covariance)))
    logistic = exact.optimum(Rows(features, table["color"].to_numpy(float)), FAMILIES["bernoulli"], balloons.FEATURES)
    errors = oracles["logistic"]["sqrt_n_times_sandwich_se"]
    for term, value, truth in zip(
        ("bias", *balloons.FEATURES), logistic.coefficients, balloons.exact_logistic().values(), strict=True
    ):
        assert abs(value - truth) < 3 * errors[term] / np.sqrt(rows)


def test_balloons_depend_on_the_seed_alone() -> None:
    assert balloons.generate(50, 3, 0.1).equals(balloons.generate(50, 3, 0.1))
    assert not balloons.generate(50, 3, 0.1).equals(balloons.generate(50, 4, 0.1))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_reads_back(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"a": [1.5, -2.0], "b": [1, 0], "c": [True, False]})
    path = tmp_path / f"t.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    frame, _ = read_table(path)
    features, _ = fit_encoding(frame, np.arange(2), ["a", "b", "c"], [])
    assert encoding.matrix(frame, features).tolist() == [[1.5, 1, 1], [-2, 0, 0]]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\n1,2\n3\n", "the header has 2 columns, row 2 has 1"),
        (b"a,b\n", "no rows"),
        (b"", "is empty"),
        (b"a,a\n1,2\n", "column names"),
        (b"a,\n1,2\n", "column 2 has no name"),
        (b"a,y\n" + b"1,2\n" * 10 + b"x,3\n", "'a', row 11: expected a number as in 91% of the rows, got 'x'"),
        (b"a,y\n1,2\ninf,3\n", "first in row 2"),
        (b"a,y\n1,2\n-1e61,3\n", "'a', row 2: -1e+61 is too large to compute with, expected at most 1e+60"),
        (b"a,yy\n1,2\n2,3\n", "no column 'y'; nearest: yy"),
        (b"a,y\n1,2\n2,2\n", "target 'y' is 2 in every row"),
        (b"a,y\n1,2\n2,\n3,5\n", "target 'y' is missing in 1 of 3 rows"),
        (b"a,y\n1,p\n2,\n3,p\n", "target 'y' is missing in 1 of 3 rows"),
        (b"a,y\n1,p\n2,q\n3,r\n", "target 'y': only the held-out rows have class 'r'"),
        (b"a,y\n1,4\n2,5\n3,r\n", "target 'y', row 3: expected a number, got 'r'"),
        (b"y\n1\n2\n3\n", "no column is left"),
        (b"a,y\n1,2026-01-01\n2,2026-01-02\n", "target 'y' has dates, expected numbers or classes"),
        (b"a,y\n1,1e59\n2,2e59\n3,0\n", "target 'y': its largest number is 2e+59, expected one from 1e-30 to 1e+30"),
        (b"a,y\n1,1e-59\n2,2e-59\n3,0\n", "target 'y': its largest number is 2e-59"),
        (b"c,c[red],y\n" + b"red,1,2\nblue,2,3\nblue,2,4\n" * 9, "the name 'c[red]' stands for a level of a category"),
        (
            b"c,c month,y\n" + b"2020-01-01,1,2\n2020-02-01,3,4\n" * 9,
            "'c month' is a column, and the month of 'c' too (data.dates); rename or exclude it",
        ),
        (b"a," + b"y" * 1001 + b"\n1,2\n", "the name of column 2 has more than 1,000 characters"),
    ],
)
def test_a_faulty_table_is_one_clear_line(tmp_path: Path, params: dict, content: bytes, expected: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)

    table = user_table("t.csv", "y") | {"dates": ["days", "month"]}
    values = params | {"data": table, "targets": {"target": {"column": "y", "family": "auto"}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError) as error:
        data.run(tmp_path)
    assert expected in str(error.value)
    assert "t.csv" in str(error.value)
    assert not (tmp_path / "data").exists()
    assert "\n" not in str(error.value)


def test_two_values_of_any_kind_are_binary() -> None:
    frame = pd.DataFrame({"y": ["yes", "no", "yes"], "z": [1.0, 2.0, 3.0]})
    values, column = encode_target(frame, Target(column="y", family="auto"), "t")
    assert (values.tolist(), column.family, column.classes) == ([1, 0, 1], "bernoulli", ["no", "yes"])
    with pytest.raises(UserError, match="3 distinct values"):
        encode_target(frame, Target(column="z", family="bernoulli"), "t")


@given(st.integers(2, 200), st.floats(0, 0.9), st.integers(0, 2**32 - 1))
def test_setting_aside_partitions_the_rows(count: int, share: float, seed: int) -> None:
    rows = np.arange(100, 100 + count)
    kept, aside = Split().set_aside(rows, share, seed)
    assert sorted([*kept, *aside]) == rows.tolist()
    assert len(aside) == (0 if share == 0 else min(max(round(share * count), 1), count - 1))


@given(st.integers(40, 120), st.integers(2, 6), st.integers(1, 3), st.integers(0, 1000), st.booleans())
def test_folds_partition_and_keep_class_shares(rows: int, k: int, repeats: int, seed: int, binary: bool) -> None:
    classes = (np.arange(rows) % 3 == 0).astype(np.int64) if binary else None
    folds = Split(classes).folds(rows, k, repeats, seed)
    assert [(fold.repeat, fold.fold) for fold in folds] == [(r, f) for r in range(repeats) for f in range(k)]
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(rows))
    for repeat in range(repeats):
        tests = [fold.test for fold in folds if fold.repeat == repeat]
        assert sorted(np.concatenate(tests)) == list(range(rows))
        if classes is not None:
            ones = [int(classes[test].sum()) for test in tests]
            assert max(ones) - min(ones) <= 1


def test_too_few_rows_for_the_folds() -> None:
    with pytest.raises(UserError, match="too few for 10 folds"):
        Split().folds(19, 10, 1, 0)
    rare, alone = ((np.arange(100) < rows).astype(np.int64) for rows in (3, 1))
    with pytest.raises(UserError, match=r"class, 1, has 3 training rows, too few for 5 folds; set folds\.k to 3"):
        Split(rare).folds(100, 5, 1, 0)
    with pytest.raises(UserError, match="rarest class, 'b', has 1 training row, too few for 2 folds; join the class"):
        Split(alone, class_names=["a", "b"]).folds(100, 2, 1, 0)


def test_the_data_stage_splits_balloons_and_a_users_table(tmp_path: Path, params: dict) -> None:
    params = params | {"data": params["data"] | {"rows": 1000, "path": __file__}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    data.run(tmp_path)
    train, test = (pd.read_parquet(tmp_path / f"data/{part}.parquet") for part in ("train", "test"))
    whole = balloons.generate(1000, 0, 0.1)
    assert (len(train), len(test)) == (800, 200)
    both = pd.concat([train, test]).sort_values(["children"]).reset_index(drop=True)
    assert both[list(whole)].equals(whole.sort_values(["children"]).reset_index(drop=True))
    assert abs(train["color"].mean() - test["color"].mean()) < 0.01

    whole.to_csv(tmp_path / "own.csv", index=False)
    table = user_table("own.csv", "color", held_out=0.0)
    params |= {"data": table, "targets": {"target": {"column": "color", "family": "auto"}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    data.run(tmp_path)
    schema = read_schema(tmp_path)
    assert schema.rows == RowCounts(train=1000, test=0)
    assert schema.features == ["relationship", "children", "age", "num_balloons"]
    assert schema.targets == {"target": FoundTarget("color", "bernoulli", [0, 1])}
