"""Words, dates and gaps to numbers, inside the saved model too, and back to names."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st

from straightline.commands import predict
from straightline.data import encoding
from straightline.data.features import fit_encoding
from straightline.data.folds import Split
from straightline.data.notation import Notation
from straightline.data.rows import Rows
from straightline.data.schema import Division, Feature, RowCounts, Schema, read_schema, references
from straightline.data.training_table import training_table
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json
from straightline.serving.archive import load_model, save_model
from straightline.serving.encoder import predictions, with_encoding
from tests.builders import small, user_table
from tests.conftest import run_stages
from tests.pages import blocks

ROWS = 240


def houses() -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "size": random.uniform(40, 200, ROWS),
            "kind": random.choice(["flat", "house", "loft"], ROWS, p=[0.5, 0.3, 0.2]),
            "garden": random.random(ROWS) < 0.4,
            "built": pd.Timestamp("2000-01-01") + pd.to_timedelta(random.integers(0, 9000, ROWS), unit="D"),
            "floor": random.integers(0, 4, ROWS),
            "agent": [f"agent {number}" for number in range(ROWS)],
            "rent": random.normal(1000, 100, ROWS),
        }
    )
    table.loc[::10, "rent"] = np.nan
    table.loc[3::40, "kind"] = None
    kinds = {"flat": 0.0, "house": 300.0, "loft": 150.0}
    table["price"] = 20 * table["size"] + table["kind"].map(kinds).fillna(-100.0) + random.normal(0, 50, ROWS)
    return table


def fitted(table: pd.DataFrame, *categorical: str) -> tuple[list[Feature], list[str]]:
    names = [name for name in table.columns if name != "price"]
    features, found = fit_encoding(table, np.arange(len(table)), names, categorical)
    return features, list(map(str, found))


class TestFit:
    def test_each_column_becomes_what_it_is(self) -> None:
        features, told = fitted(houses())
        assert encoding.term_names(features) == [
            "size",
            "kind[(missing)]",
            "kind[house]",
            "kind[loft]",
            "garden",
            "built",
            "floor",
            "rent",
            "rent[missing]",
        ]
        assert references(features) == ["kind[flat]"]
        assert told == [
            "built: a date, taken as days since 1970",
            "agent: 240 different words in 240 rows, text or names, left out",
            "rent: missing in 24 of 240 rows, filled with the mean; another column marks them",
        ]

    def test_numbers_are_categories_on_request(self) -> None:
        features, _ = fitted(houses(), "floor")
        (floor,) = (feature for feature in features if feature.name == "floor")
        assert floor.kind == "category"
        assert set(floor.levels) == {"0", "1", "2", "3"}

    def test_a_code_with_a_fraction_leaves_the_others_as_they_are(self) -> None:
        table = pd.DataFrame({"zip": [10115.0, 10115.0, 20095.0, 20095.0], "price": 1.0})
        (feature,), _ = fitted(table, "zip")
        new = pd.DataFrame({"zip": [10115.0, 10115.5, np.nan]})
        assert encoding.raw(new, feature).tolist() == ["10115", "10115.5", "(missing)"]
        assert list(map(str, encoding.unseen(new.head(2), [feature]))) == [
            "zip: 10115.5 not in the training rows, taken as 10115"
        ]

    @pytest.mark.parametrize("gap", [False, True])
    def test_true_and_false_are_no_other_numbers(self, gap: bool) -> None:
        values = [True, False, True, None if gap else False]
        (feature,), _ = fitted(pd.DataFrame({"garden": values, "price": 1.0}))
        for alike in ([True, False], [1, 0], [1.0, 0.0]):
            assert encoding.raw(pd.DataFrame({"garden": alike}), feature).tolist() == [1.0, 0.0]
        with pytest.raises(UserError, match=r"column 'garden', row 2: expected true or false .*, got 7"):
            encoding.raw(pd.DataFrame({"garden": [1, 7]}), feature)

    def test_rare_words_are_one_level(self) -> None:
        table = pd.DataFrame({"color": ["red"] * 30 + ["blue"] * 20 + ["pink", "plum"]})
        features, told = fitted(table)
        assert features[0].terms == ["color[(other)]", "color[blue]"]
        assert told == ["color: 2 rare words of 4 are combined into one level, color[(other)]"]
        found = encoding.matrix(pd.DataFrame({"color": ["red", "blue", "plum", "never seen", None]}), features)
        np.testing.assert_array_equal(found, [[0, 0], [0, 1], [1, 0], [1, 0], [1, 0]])
        assert encoding.unseen(table, features) == []

    def test_of_many_words_the_commonest_are_levels(self) -> None:
        table = pd.DataFrame({"town": [f"town {number}" for number in range(60) for _ in range(5 + number)]})
        features, told = fitted(table)
        assert told == ["town: all but the 50 commonest of 60 are combined into one level, town[(other)]"]
        assert set(features[0].levels) == {f"town {number}" for number in range(10, 60)}

    def test_a_word_never_seen_is_the_reference_and_told(self) -> None:
        features, _ = fitted(houses())
        new = houses().head(2).assign(kind=["castle", "flat"])
        encoded = pd.DataFrame(encoding.matrix(new, features), columns=encoding.term_names(features))
        assert encoded.filter(like="kind").to_numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
        assert list(map(str, encoding.unseen(new, features))) == [
            "kind: castle not in the training rows, taken as flat"
        ]

    def test_means_and_levels_are_those_of_the_training_rows(self) -> None:
        table = pd.DataFrame({"a": [1.0, 3.0, np.nan, 100.0], "b": ["x", "y", "x", "z"]})
        features, _ = fit_encoding(table, np.arange(2), ["a", "b"], [])
        assert features[0].fill == 2.0
        assert features[1].levels == ("x", "y")

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ([1.0, np.inf] * 5, "'a': expected finite numbers, got 5 missing or infinite ones, first in row 2"),
            (["1"] * 19 + ["l"], "'a', row 20: expected a number as in 95% of the rows, got 'l'"),
            ([None] * 5, "no column is left to predict from .a: has no value in any training row, left out."),
            (["red"] * 5, "no column is left to predict from .a: red in every training row, left out."),
            ([f"text {number}" for number in range(9)], "no column is left to predict from .a: 9 different words"),
        ],
    )
    def test_what_cannot_be_is_said(self, values: list[object], told: str) -> None:
        with pytest.raises(UserError, match=told):
            fitted(pd.DataFrame({"a": values}))

    def test_it_reads_back_from_json(self) -> None:
        features, _ = fitted(houses(), "floor")
        schema = Schema(features, True, Division("chance", None), {}, RowCounts(3, 1), [])
        assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize("way", [None, "%d.%m.%Y", "%b %d, %Y"])
def test_parts_of_dates_are_those_of_pandas(way: str | None) -> None:
    """Text in the notation that was found and dates of a Parquet file give the same columns, with gaps."""
    days = pd.Series(pd.date_range("2023-11-20", periods=ROWS, freq="3D")).mask(np.arange(ROWS) % 7 == 3)
    cells = days if way is None else days.dt.strftime(way)
    parts = ("days", "weekday", "month", "year")
    features, _ = fit_encoding(pd.DataFrame({"built": days}), np.arange(ROWS), ["built"], [], parts)
    written = None if way is None else Notation(date=way)
    features = [replace(feature, written=written) for feature in features]
    assert [(feature.name, feature.column, feature.kind) for feature in features] == [
        ("built", "built", "date"),
        ("built weekday", "built", "category"),
        ("built month", "built", "category"),
        ("built year", "built", "number"),
    ]
    frame = pd.DataFrame({"built": cells})
    encoded = pd.DataFrame(encoding.matrix(frame, features), columns=encoding.term_names(features))
    weekdays, months = (days.dt.day_name().fillna("(missing)"), days.dt.month_name().fillna("(missing)"))
    for name, words in (("weekday", weekdays), ("month", months)):
        for word in {*words} - {features[1].reference, features[2].reference}:
            np.testing.assert_array_equal(encoded[f"built {name}[{word}]"], words == word)
    years = days.dt.year
    np.testing.assert_array_equal(encoded["built year"], years.fillna(years.mean()))
    np.testing.assert_array_equal(encoded["built[missing]"], days.isna())
    line = keras.Sequential([keras.Input((encoded.shape[1],)), keras.layers.Dense(1, dtype="float64")])
    kernel, bias = line.get_weights()
    shipped = predictions(with_encoding(line, features), frame, features)
    np.testing.assert_allclose(shipped, encoded.to_numpy() @ kernel[:, 0] + bias, rtol=1e-6)


@given(
    words=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=6, max_size=40),
    gaps=st.lists(st.one_of(st.none(), st.floats(-9, 9)), min_size=40, max_size=40),
)
def test_the_matrix_is_finite_and_every_row_has_at_most_one_level(words: list, gaps: list) -> None:
    table = pd.DataFrame({"word": pd.Series(words, dtype=object), "gap": pd.Series(gaps[: len(words)], dtype=float)})
    try:
        features, _ = fitted(table)
    except UserError:
        return
    encoded = pd.DataFrame(encoding.matrix(table, features), columns=encoding.term_names(features))
    assert np.isfinite(encoded.to_numpy()).all()
    levels = encoded.filter(like="word")
    assert levels.isin([0, 1]).all(axis=None)
    assert (levels.sum(axis=1) <= 1).all()


def test_blanks_are_those_of_columns_that_had_none() -> None:
    features, _ = fitted(houses(), "floor")
    table = houses()
    assert encoding.blanks(table, features) == {}
    table["garden"] = table["garden"].astype(object)
    for name, row in (("size", 0), ("garden", 5), ("built", 3), ("floor", 7), ("rent", 1), ("kind", 2)):
        table[name] = table[name].mask(np.arange(ROWS) == row)
    blank = {name: np.flatnonzero(is_blank).tolist() for name, is_blank in encoding.blanks(table, features).items()}
    assert blank == {"size": [0], "garden": [5], "built": [3], "floor": [7]}
    rest = np.setdiff1d(np.arange(ROWS), [0, 3, 5, 7])
    whole = encoding.matrix(houses().assign(rent=table["rent"], kind=table["kind"]), features)
    np.testing.assert_array_equal(encoding.matrix(table.iloc[rest], features), whole[rest])


def test_a_wrong_type_is_no_blank() -> None:
    features, _ = fitted(houses(), "floor")
    table = houses().drop(columns="built").assign(size=[None, "big", *houses()["size"][2:]])
    with pytest.raises(UserError, match=r"column 'size', row 2: expected a number, got 'big'; .*has no column 'built'"):
        encoding.blanks(table, features)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, params: dict) -> Path:
    root = tmp_path_factory.mktemp("houses")
    houses().to_parquet(root / "houses.parquet")
    values = small(params, folds__seeds=1, fit__epochs=5)
    values["models"]["upgraded"] = values["models"]["neural"] | {"from_regression": True}
    values["models"]["quadratic"] = values["models"]["regression"] | {"terms": "quadratic"}
    values |= {
        "data": user_table("houses.parquet", "price", held_out=0.25, categorical=["floor"]),
        "targets": {"price": {"column": "price", "family": "auto"}},
    }
    run_stages(root, values, pictures=False)
    return root


def test_coefficients_are_those_of_a_formula_by_level(answered: Path) -> None:
    shown = pd.read_csv(answered / "runs/price/regression/coefficients.csv").set_index("term")
    rows = pd.read_parquet(answered / "data/train.parquet")
    rows["kind"] = rows["kind"].fillna("(missing)")
    rows["gone"] = rows["rent"].isna().astype(float)
    rows["rent"] = rows["rent"].fillna(rows["rent"].mean())
    rows["days"] = (rows["built"] - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    floor = rows["floor"].value_counts().index[0]
    formula = f"price ~ size + C(kind, Treatment('flat')) + garden + days + C(floor, Treatment({floor})) + rent + gone"
    known = smf.ols(formula, rows).fit()
    assert len(shown) == len(known.params)
    for term, name in {
        "Intercept": "Intercept",
        "size": "size",
        "kind[house]": "C(kind, Treatment('flat'))[T.house]",
        "kind[(missing)]": "C(kind, Treatment('flat'))[T.(missing)]",
        "garden": "garden[T.True]",
        "built": "days",
        "rent": "rent",
        "rent[missing]": "gone",
    }.items():
        assert shown.loc[term, "estimate"] == pytest.approx(known.params[name], rel=1e-6, abs=1e-8)
        assert shown.loc[term, "std_error"] == pytest.approx(known.bse[name], rel=1e-6)


def test_a_regressions_folds_are_those_of_encodings_made_in_each_fold(answered: Path) -> None:
    """Levels and means are made of all training rows at once, which shows in no fold's loss."""
    rows = pd.read_parquet(answered / "data/train.parquet")
    shown = pd.read_csv(answered / "runs/price/regression/folds.csv")["loss"]
    schema = read_schema(answered)
    for part, loss in zip(Split().folds(len(rows), 3, 1, 0), shown, strict=True):
        own, _ = fit_encoding(rows, part.train, schema.features, ["floor"])
        assert own != schema.encoding
        features, labels = encoding.matrix(rows, own), rows["price"].to_numpy()
        fit = exact.optimum(
            Rows(features[part.train], labels[part.train]), FAMILIES["gaussian"], encoding.term_names(own)
        )
        assert np.mean((labels - fit.predict(features))[part.test] ** 2) == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("model", ["regression", "neural", "upgraded", "quadratic"])
def test_saved_models_take_the_tables_own_columns(answered: Path, model: str) -> None:
    schema = read_schema(answered)
    test = pd.read_parquet(answered / "data/test.parquet")
    test[schema.features].to_parquet(answered / "new.parquet")
    predict.run(answered / f"runs/price/{model}", answered / "new.parquet", answered / "out.csv")
    found = pd.read_csv(answered / "out.csv")["price"]
    scored = pd.read_parquet(answered / f"predictions/price-{model}.parquet")["prediction"]
    np.testing.assert_allclose(found, scored, rtol=1e-6)
    if model == "regression":
        shown = pd.read_csv(answered / "runs/price/regression/coefficients.csv")["estimate"].to_numpy()
        features = schema.encoding
        np.testing.assert_allclose(found, shown[0] + encoding.matrix(test, features) @ shown[1:], rtol=1e-9)


def documented(number: int) -> str:
    return blocks("docs/how-to/models.md", "python")[number].text


@pytest.fixture
def new_houses(answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the example of docs/how-to/models.md names."""
    (tmp_path / "straightline-houses").symlink_to(answered)
    names = read_schema(answered).features
    pd.read_parquet(answered / "data/test.parquet")[names].to_csv(tmp_path / "new-houses.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_plain_keras_predicts_as_documented(answered: Path, new_houses: Path) -> None:
    names: dict[str, Any] = {}
    exec(documented(0), names)
    scored = pd.read_parquet(answered / "predictions/price-regression.parquet")["prediction"]
    np.testing.assert_allclose(names["prices"][:, 0], scored, rtol=1e-5)  # of float32
    exact = keras.ops.convert_to_numpy(names["model"](names["columns"]))[:, 0]
    np.testing.assert_allclose(exact, scored, rtol=1e-12)


@pytest.mark.slow
def test_plain_keras_needs_nothing_of_this_package(new_houses: Path) -> None:
    end = "\nimport sys; assert not [name for name in sys.modules if 'straightline' in name]; print(len(prices))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", documented(0) + end], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["60"], done.stderr


def test_plain_keras_takes_numbers_as_one_table(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.read_parquet(project / "data/test.parquet").to_csv(project / "people.csv", index=False)
    monkeypatch.chdir(project)
    names: dict[str, Any] = {}
    exec(documented(1), names)
    scored = pd.read_parquet(project / "predictions/num_balloons-neural.parquet")["prediction"]
    np.testing.assert_allclose(names["balloons"][:, 0], scored, rtol=1e-5)


def test_what_the_network_was_scored_on_is_what_it_was_trained_on(answered: Path) -> None:
    """The table that the train stage reads is that of its encoding, held or streamed."""
    with training_table(answered, "price", None) as held, training_table(answered, "price", 64) as streamed:
        assert len(streamed.source.groups) >= 1
        whole, parts = (table.source.read(table.source.groups) for table in (held, streamed))
        np.testing.assert_array_equal(whole.features, parts.features)
        np.testing.assert_array_equal(whole.labels, parts.labels)
    assert list(held.names) == encoding.term_names(read_schema(answered).encoding)


def test_the_answer_names_the_reference_levels(answered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(load_results(answered))
    printed = capsys.readouterr().out
    page = (answered / "reports/index.html").read_text()
    for text in (printed, page):
        assert "The other levels are compared with these reference levels: kind[flat], floor[" in text
    assert "kind[house]" in printed  # and is no markup of the terminal's
    assert "agent: 180 different words in 180 rows, text or names, left out" in page  # of the training rows


def test_effects_have_words_and_gaps(answered: Path) -> None:
    table = pd.read_csv(answered / "effects/price-regression.csv")
    assert set(table.loc[table["column"] == "kind", "low"]) == {"(missing)", "flat", "house", "loft"}
    assert table.loc[table["column"] == "rent", "low"].isna().sum() == 1
    rows = read_json(answered / "data/schema.json")["rows"]["test"]
    assert (table.groupby("column")["rows"].sum() == rows).all()


def test_odd_names_of_columns_stay_apart(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    names = ["neural", "a/b", "a|b", "encoding_0", "where", "[red]"]
    features = [Feature(name, "number", fill=1.0) for name in names]
    core = keras.Sequential(
        [keras.Input((12,), dtype="float64"), keras.layers.Dense(1, dtype="float64")], name="neural"
    )
    digest = save_model(with_encoding(core, features), tmp_path / "model.keras")
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 6)), columns=names)
    frame.iloc[1, 2] = np.nan
    found = predictions(load_model(tmp_path / "model.keras", digest), frame, features)
    encoded = encoding.matrix(frame, features)
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(core(encoded))[:, 0], rtol=1e-12)
    assert not [one for one in recwarn if "must match the names" in str(one.message)]
    assert save_model(with_encoding(core, features), tmp_path / "again.keras") == digest
