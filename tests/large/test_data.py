"""The data stage of large tables: the schema, the checks and the errors of small ones, and every row once."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from tests.builders import USER_TABLE

from straightline.config.settings import load
from straightline.data.chance import group_keys
from straightline.data.preparation import prepare
from straightline.data.reading import read_table
from straightline.data.schema import Schema, read_schema
from straightline.errors import UserError
from straightline.large import conversion, held_out, preparation, writing
from straightline.large.division import Division
from straightline.stages import data as stage

ROWS = 3_000
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "words": {"categorical": ["k"]},
    "groups": {"groups": "g", "exclude": []},
    "time": {"split": "time", "time": "day"},
    "weights": {"weights": "w"},
    "missing": {"missing": ["-999", "7"]},
    "dates": {"dates": ["days", "month"]},
    "some": {"features": ["x", "color", "k"]},
}


def table(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=rows).round(3)
    return pd.DataFrame(
        {
            "x": x,
            "same": 1,
            "twin": 2 * x,
            "k": random.integers(0, 9, rows),
            "gap": np.where(random.random(rows) < 0.1, np.nan, random.normal(size=rows).round(2)),
            "price": [f"${value:,.2f}" for value in random.uniform(1, 5_000, rows)],
            "share": [f"{value} %" if value else "?" for value in random.integers(0, 5, rows)],
            "color": random.choice(["red", "green", "blue"], rows, p=[0.5, 0.3, 0.2]),
            "rare": np.where(random.random(rows) < 0.01, "odd", random.choice(["a", "b"], rows, p=[0.6, 0.4])),
            "name": [f"row {number}" for number in range(rows)],
            "flag": random.random(rows) < 0.5,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.permutation(rows), unit="D"),
            "id": np.arange(rows),
            "g": random.integers(0, 200, rows),
            "w": random.integers(0, 4, rows),
            "y": (x + random.normal(size=rows)).round(3),
        }
    )


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write params.yaml for a table, of which more than 1,000 rows count as many, and return the folder."""
    for module in (conversion, preparation, stage):
        monkeypatch.setattr(module, "LARGE_ROWS", 1_000, raising=False)
    monkeypatch.setattr(conversion, "GROUP_ROWS", 400)
    monkeypatch.setattr(writing, "GROUP_ROWS", 400)

    def written(path: str, target: str = "y", family: str = "auto", **settings: object) -> Path:
        values = yaml.safe_load(Path("params.yaml").read_text())
        values["data"] = USER_TABLE | {"path": path, "target": target} | settings
        values["targets"] = {"y": {"column": target, "family": family}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
        return tmp_path

    return written


def small(root: Path) -> Schema:
    config = load(root / "params.yaml")
    assert config.data.source == "table"
    path = config.data.path
    frame, written = read_table(root / path, config.data.delimiter, config.data.decimal, label=path)
    return prepare(config, frame, written.decimal).schema


def comparable(schema: Schema) -> dict[str, Any]:
    """Return what does not depend on the rows that are held out."""
    values = schema.to_json()
    for feature in values["encoding"]:
        feature["fill"] = feature["fill"] is not None
        if feature["of"] is not None:
            feature["reference"] = None  # Months are about equally frequent.
    del values["rows"]
    values["checks"] = sorted(
        (check["code"], "" if check["code"] == "text" else check["message"], check["columns"])
        for check in values["checks"]
        if check["code"] not in ("new-words", "held-out")
    )
    return dict(values)


@pytest.mark.parametrize(
    ("kind", "ending"), [*((kind, "csv") for kind in KINDS), ("plain", "parquet"), ("dates", "parquet")]
)
def test_the_schema_is_that_of_a_small_table(kind: str, ending: str, write: Callable[..., Path]) -> None:
    root = write(f"table.{ending}", **KINDS[kind])
    frame = table()
    frame.to_csv(root / "table.csv", index=False) if ending == "csv" else frame.to_parquet(root / "table.parquet")
    stage.run(root)
    assert comparable(read_schema(root)) == comparable(small(root))


@pytest.mark.parametrize(
    ("target", "family"), [("flag", "auto"), ("color", "auto"), ("k", "poisson"), ("k", "multinomial")]
)
def test_targets_of_other_families(target: str, family: str, write: Callable[..., Path]) -> None:
    root = write("table.csv", target, family)
    table().to_csv(root / "table.csv", index=False)
    stage.run(root)
    assert comparable(read_schema(root)) == comparable(small(root))


def test_every_row_is_trained_on_or_held_out_once_in_its_order(write: Callable[..., Path]) -> None:
    root = write("table.csv")
    frame = table()
    frame.to_csv(root / "table.csv", index=False)
    stage.run(root)
    parts = [pd.read_parquet(root / f"data/{part}.parquet") for part in ("train", "test")]
    assert all(part["id"].is_monotonic_increasing for part in parts)
    together = pd.concat(parts).sort_values("id").reset_index(drop=True)
    assert together["id"].tolist() == frame["id"].tolist()
    assert together["y"].tolist() == frame["y"].tolist()
    assert together["color"].tolist() == frame["color"].tolist()
    assert together["price"].tolist() == [float(text.lstrip("$").replace(",", "")) for text in frame["price"]]
    assert len(parts[1]) == pytest.approx(0.2 * ROWS, abs=5 * np.sqrt(0.16 * ROWS))
    counts = read_schema(root).rows
    assert (counts.train, counts.test) == tuple(map(len, parts))


def test_rows_are_in_the_order_of_time(write: Callable[..., Path]) -> None:
    root = write("table.csv", split="time", time="day", weights="w")
    table().to_csv(root / "table.csv", index=False)
    stage.run(root)
    parts = [pd.read_parquet(root / f"data/{part}.parquet", columns=["id", "w", "y"]) for part in ("train", "test")]
    expected = table().sort_values("day").loc[lambda frame: frame["w"] > 0]
    assert pd.concat(parts)["id"].tolist() == expected["id"].tolist()
    assert pd.concat(parts)["y"].tolist() == expected["y"].tolist()


def test_groups_are_not_divided(write: Callable[..., Path]) -> None:
    root = write("table.csv", groups="g", exclude=["w"])
    table().to_csv(root / "table.csv", index=False)
    stage.run(root)
    train, test = (set(pd.read_parquet(root / f"data/{part}.parquet")["g"]) for part in ("train", "test"))
    assert train
    assert test
    assert not train & test
    kept = pd.read_parquet(root / "data/train.parquet")["g"]
    for k in (5, 10):
        assert np.bincount(Division(len(kept), k, 0).cells_of(group_keys(kept)), minlength=k).min() > 0


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_group_is_held_out_of_a_few(count: int, write: Callable[..., Path]) -> None:
    root = write("table.csv", groups="g")
    table().assign(g=np.arange(ROWS) % count).to_csv(root / "table.csv", index=False)
    stage.run(root)
    assert pd.read_parquet(root / "data/test.parquet")["g"].nunique() == 1
    assert pd.read_parquet(root / "data/train.parquet")["g"].nunique() == count - 1


def test_a_single_group_cannot_be_divided(write: Callable[..., Path]) -> None:
    root = write("table.csv", groups="g")
    table().assign(g=1).to_csv(root / "table.csv", index=False)
    with pytest.raises(UserError, match=r"^table.csv: all 3000 rows are of one group"):
        stage.run(root)


def test_few_rows_are_held_out_of_many(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "HELD_OUT", 100)
    root = write("table.csv")
    table().to_csv(root / "table.csv", index=False)
    stage.run(root)
    schema = read_schema(root)
    assert 50 < schema.rows.test < 150
    assert f"{schema.rows.test:,} rows are held out instead of 20%, which are enough for scores" in schema.warnings


def pieces(frame: pd.DataFrame, root: Path, names: list[str]) -> None:
    for name, part in zip(names, np.array_split(np.arange(len(frame)), len(names)), strict=True):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = frame.iloc[part].to_csv(index=False)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("table.csv.gz", ["table.csv.gz"]),
        ("logs/*.csv", ["logs/a.csv", "logs/b.csv", "logs/c.csv"]),
        ("logs", ["logs/a.csv", "logs/more/b.csv.gz"]),
    ],
    ids=["gz", "pattern", "folder"],
)
@pytest.mark.parametrize("rows", [600, ROWS], ids=["few", "many"])
def test_other_ways_to_name_a_table(path: str, names: list[str], rows: int, write: Callable[..., Path]) -> None:
    root = write(path)
    pieces(table(rows), root, names)
    stage.run(root)
    found = comparable(read_schema(root))
    root = write("whole.csv")
    table(rows).to_csv(root / "whole.csv", index=False)
    stage.run(root)
    assert found == comparable(read_schema(root))


def test_folders_give_columns(write: Callable[..., Path]) -> None:
    root = write("logs")
    pieces(table(), root, ["logs/year=2023/a.csv", "logs/year=2024/a.csv"])
    stage.run(root)
    assert "year" in read_schema(root).features
    years = pd.concat([pd.read_parquet(root / f"data/{part}.parquet") for part in ("train", "test")])["year"]
    assert years.value_counts().to_dict() == {2023: ROWS // 2, 2024: ROWS // 2}


def test_a_type_is_that_of_the_whole_table(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from straightline.data import delimited

    monkeypatch.setattr(delimited, "BLOCK", 2**12)
    root = write("table.csv", features=["a", "b"])
    frame = pd.DataFrame({"a": ["1"] * ROWS, "b": ["1"] * ROWS, "y": np.random.default_rng(0).normal(size=ROWS)})
    frame.loc[ROWS - 2, "a"] = "1.5"
    frame.loc[ROWS // 2 :, "b"] = "word"
    frame.to_csv(root / "table.csv", index=False)
    stage.run(root)
    kinds = {feature.name: feature.kind for feature in read_schema(root).encoding}
    assert kinds == {"a": "number", "b": "category"}


def _first_cell(text: str) -> Callable[[list[str]], None]:
    return lambda lines: lines.__setitem__(ROWS - 1, text + lines[ROWS - 1][lines[ROWS - 1].index(",") :])


BROKEN: dict[str, Callable[[list[str]], None]] = {
    "a longer row": lambda lines: lines.__setitem__(ROWS - 1, lines[ROWS - 1] + ",1"),
    "a quote that stays open": lambda lines: lines.__setitem__(ROWS - 1, '"' + lines[ROWS - 1]),
    "a word among numbers": _first_cell("oops"),
    "an infinite number": _first_cell("inf"),
    "a blank target": lambda lines: lines.__setitem__(ROWS - 1, lines[ROWS - 1].rpartition(",")[0] + ","),
    "a repeated name": lambda lines: lines.__setitem__(0, lines[0].replace("twin", "x")),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_mistakes_near_the_end_have_the_messages_of_small_tables(mistake: str, write: Callable[..., Path]) -> None:
    root = write("table.csv")
    lines = table().to_csv(index=False).splitlines()
    BROKEN[mistake](lines)
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as expected:
        small(root)
    with pytest.raises(UserError) as error:
        stage.run(root)
    assert str(error.value) == str(expected.value)
    assert not (root / "data").exists()


def test_files_with_other_columns(write: Callable[..., Path]) -> None:
    root = write("logs/*.csv")
    pieces(table(), root, ["logs/a.csv"])
    pieces(table().drop(columns="twin"), root, ["logs/b.csv"])
    with pytest.raises(UserError, match=r"b.csv: has no column 'twin' than a.csv; expected the same columns in all"):
        stage.run(root)


@pytest.mark.parametrize("rows", [600, ROWS], ids=["few", "many"])
def test_a_bad_cell_is_told_with_its_file(rows: int, write: Callable[..., Path]) -> None:
    root = write("logs")
    frame = table(rows).astype({"x": object})
    frame.loc[rows - 2, "x"] = "oops"
    pieces(frame, root, ["logs/a.csv", "logs/b.csv"])
    with pytest.raises(UserError, match=rf"column 'x', b.csv, row {rows // 2 - 1}: expected a number .*got 'oops'"):
        stage.run(root)


@pytest.mark.parametrize("word", ["Total", ""])
def test_a_last_row_that_sums_up_the_others(word: str, write: Callable[..., Path]) -> None:
    root = write("table.csv")
    frame = table()[["x", "color", "y"]]
    last = pd.DataFrame({"x": [frame["x"].sum()], "color": [word], "y": [frame["y"].sum()]})
    pd.concat([frame, last]).to_csv(root / "table.csv", index=False)
    with pytest.raises(UserError) as expected:
        small(root)
    with pytest.raises(UserError, match=rf"row {ROWS + 1}, the last one, is the sum of the rows above in 'x'") as error:
        stage.run(root)
    assert str(error.value) == str(expected.value)


def test_a_pattern_without_files(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"logs/\*.csv: no file has such a name"):
        stage.run(write("logs/*.csv"))


def test_a_folder_without_tables(write: Callable[..., Path]) -> None:
    root = write("logs")
    (root / "logs").mkdir()
    with pytest.raises(UserError, match=r"logs: is a folder without a table; expected files whose"):
        stage.run(root)


def test_memory_does_not_grow_with_the_row_groups(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    rows, groups = 2_000, 40
    monkeypatch.setattr(conversion, "GROUP_ROWS", rows)
    monkeypatch.setattr(writing, "GROUP_ROWS", rows)
    monkeypatch.setattr(conversion, "require_characters", lambda *_: reading.append(pa.total_allocated_bytes()))
    part = writing._part
    monkeypatch.setattr(writing, "_part", lambda *given: [part(*given), written.append(pa.total_allocated_bytes())][0])
    reading, written = [], []
    values = np.random.default_rng(0).normal(size=(groups * rows, 20))
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(19)] + ["y"])
    root = write("many.parquet", exclude=[])
    frame.to_parquet(root / "many.parquet", row_group_size=rows)
    before = pa.total_allocated_bytes()
    stage.run(root)
    assert max(reading) - before < values.nbytes / 4
    assert max(written) - before < values.nbytes / 4
