"""Numbers, dates and gaps as people write them."""

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from straightline.commands import predict
from straightline.data import notation
from straightline.data.folds import Split
from straightline.data.notation import DATES, DAY_FIRST, MONTH_FIRST, TIMES, AmbiguousDatesError, Notation
from straightline.data.schema import read_schema
from straightline.errors import UserError
from straightline.stages import data
from tests.builders import user_table


def column(cells: Sequence[str | None]) -> pd.Series:
    return pd.Series(list(cells), dtype="str")


def read(cells: Sequence[str | None], decimal: str = ".") -> list[float]:
    way = notation.found(column(cells), decimal, None, ())
    assert way is not None
    return notation.parsed(column(cells), way, "a").tolist()


@pytest.mark.parametrize(
    ("cells", "numbers", "unit"),
    [
        (["23%", "5 %", "7.5%"], [23, 5, 7.5], "%"),
        (["$1,200", "$3", "-$4.50"], [1200, 3, -4.5], "$"),
        (["€ 1.200,50", "€ 3,20"], [1200.5, 3.2], "€"),
        (["1.200,50 €", "3,20 €"], [1200.5, 3.2], "€"),
        (["CHF 1'200.50", "CHF 3"], [1200.5, 3], "CHF"),
        (["(1,200)", "300", "(0.5)"], [-1200, 300, -0.5], ""),
        (["1 200", "15", "1 200 300"], [1200, 15, 1200300], ""),
        (["1\u00a0200", "1\u202f300"], [1200, 1300], ""),
        (["+3", "1e3", "−2", ".5"], [3, 1000, -2, 0.5], ""),
        (["5 kg", "7 kg", "1.5 kg"], [5, 7, 1.5], "kg"),
        (["12 km/h", "3 km/h"], [12, 3], "km/h"),
        (["20 m²", "35.5 m²"], [20, 35.5], "m²"),
        (["1,200", "3,400"], [1200, 3400], ""),
        (["1,2", "3,45"], [1.2, 3.45], ""),
    ],
)
def test_numbers_as_people_write_them(cells: list[str], numbers: list[float], unit: str) -> None:
    assert read(cells) == numbers
    way = notation.found(column(cells), ".", None, ())
    assert way is not None
    assert way.unit == unit


@pytest.mark.parametrize(
    "cells",
    [
        ["abc", "d"],
        ["1st", "2nd"],
        ["AB12", "AB13"],
        ["12:30", "13:40"],
        ["1.2.3", "1.2.4"],
        ["10-20", "20-30"],
        ["5 kg", "7 lb"],
        ["12%", "13"],
        ["13", "12%"],
        ["1234 AB", "1235 CD"],
        ["12A", "13B"],
        ["1,2,3", "4"],
        ["12,34", "1.5"],
        ["(5", "6)"],
        ["--5", "6"],
        ["5 Main Street North", "6 Main Street North"],
        ["?", "-"],
    ],
)
def test_what_is_no_number_stays_text(cells: list[str]) -> None:
    assert notation.found(column(cells), ".", None, ()) is None


@given(
    values=st.lists(st.integers(-(10**9), 10**9).map(lambda cents: cents / 100), min_size=2, max_size=9, unique=True),
    marks=st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", "."), ("\u00a0", ",")]),
    places=st.sampled_from([("", ""), ("$", ""), ("", "%"), ("", " €"), ("USD ", ""), ("", " kWh")]),
    in_brackets=st.booleans(),
)
def test_written_and_read_again(
    values: list[float], marks: tuple[str, str], places: tuple[str, str], in_brackets: bool
) -> None:
    swap = str.maketrans({",": marks[0], ".": marks[1]})
    cells = []
    for value in values:
        digits = places[0] + f"{abs(value):,.2f}".translate(swap) + places[1]
        cells.append(digits if value >= 0 else f"({digits})" if in_brackets else f"-{digits}")
    assert read(cells, marks[1]) == pytest.approx(values)


def test_the_decimal_mark_of_the_file_decides_what_may_be_both() -> None:
    assert read(["1,200", "3,400"], ",") == [1.2, 3.4]
    assert read(["$1.200", "$3.400"], ",") == [1200, 3400]
    assert read(["$1.200", "$3.400"], ".") == [1.2, 3.4]
    assert read(["1,200", "3,4"], ".") == [1.2, 3.4]  # only a decimal comma reads both


@given(
    days=st.lists(st.dates(datetime.date(1970, 1, 1), datetime.date(2060, 12, 31)), min_size=1, max_size=9),
    way=st.sampled_from([*DATES, *DAY_FIRST, *MONTH_FIRST]),
    time=st.sampled_from(TIMES),
    leading_zeros=st.booleans(),
)
def test_dates_are_found_and_read_again(days: list[datetime.date], way: str, time: str, leading_zeros: bool) -> None:
    stamps = [pd.Timestamp(day) + pd.Timedelta(hours=day.day % 24, minutes=day.month) for day in days]
    fitting = stamps if time else [stamp.normalize() for stamp in stamps]
    order = way if leading_zeros else way.replace("%d", "%-d").replace("%m", "%-m")
    cells = column([stamp.strftime(order + time) for stamp in fitting])
    way_first = True if way in DAY_FIRST else False if way in MONTH_FIRST else None
    found = notation.found(cells, ".", way_first, ())
    assert found is not None
    expected = pd.to_datetime(pd.Series(fitting))
    if "%y" in way:  # two digits mean a year from 1969 to 2068, as everywhere
        expected = pd.to_datetime(cells, format=way + time)
    assert notation.parsed(cells, found, "a").tolist() == expected.tolist()


def test_day_or_month_first_is_found_or_asked_for() -> None:
    for cells, expected in ((["03/04/2023", "28/07/2023"], 4), (["03/04/2023", "07/28/2023"], 3)):
        way = notation.found(column(cells), ".", None, ())
        assert way is not None
        assert notation.parsed(column(cells), way, "a").dt.month.tolist()[0] == expected
    with pytest.raises(AmbiguousDatesError, match=r"'03/04/2023' may have the day or the month first.*--dayfirst or"):
        notation.found(column(["03/04/2023", "05/06/2023"]), ".", None, ())
    for day_first, month in ((True, 4), (False, 3)):
        way = notation.found(column(["03/04/2023", "05/06/2023"]), ".", day_first, ())
        assert way is not None
        assert notation.parsed(column(["03/04/2023"]), way, "a").dt.month.tolist() == [month]


@pytest.mark.parametrize("mark", ["?", "-", "N/A", "na", "null", "None", ".", "missing", "", "  ", "—"])
def test_marks_of_a_gap_between_numbers_and_dates(mark: str) -> None:
    np.testing.assert_array_equal(read(["5", mark, "7"]), [5, np.nan, 7])
    way = notation.found(column(["28.07.2023", mark]), ".", None, ())
    assert way is not None
    assert notation.parsed(column(["28.07.2023", mark]), way, "a").isna().tolist() == [False, True]


def test_another_notation_in_new_rows_names_the_row() -> None:
    for way, cell, told in (
        (Notation(unit="kg"), "7 lb", "expected a number and the unit kg, got '7 lb'"),
        (Notation(decimal=","), "1.5", "expected a number with a decimal comma, got '1.5'"),
        (Notation(date="%d/%m/%Y"), "07/28/2023", "expected a date like 31/01/2026, got '07/28/2023'"),
    ):
        with pytest.raises(UserError) as caught:
            notation.parsed(column([None, cell]), way, "a")
        assert str(caught.value) == f"column 'a', row 2: {told}"
    assert notation.parsed(column(["7", "8 kg"]), Notation(unit="kg"), "a").tolist() == [7, 8]


def stage(folder: Path, params: dict, table: pd.DataFrame, **settings: object) -> list[str]:
    """Run the data stage on `table` and return its notes."""
    table.to_csv(folder / "t.csv", index=False)
    targets = {"target": {"column": "y", "family": "auto"}}
    (folder / "params.yaml").write_text(
        yaml.safe_dump(params | {"data": user_table("t.csv", "y") | settings, "targets": targets})
    )
    data.run(folder)
    return read_schema(folder).warnings


def twins() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table, and the same table as people write it."""
    random = np.random.default_rng(0)
    rows = 120
    clean = pd.DataFrame(
        {
            "price": random.integers(500, 5000, rows),
            "discount": random.integers(0, 60, rows),
            "size": np.where(random.random(rows) < 0.1, np.nan, random.normal(80, 20, rows).round(1)),
            "rooms": random.integers(1, 6, rows).astype(float),
            "built": pd.Timestamp("1990-01-01") + pd.to_timedelta(random.integers(0, 9000, rows), unit="D"),
            "sold": random.choice(["yes", "no"], rows),
        }
    )
    clean.loc[3, "rooms"] = np.nan
    clean["y"] = (clean["price"] / 2 - 9 * clean["discount"] + random.normal(0, 200, rows)).round(2)
    messy = pd.DataFrame(
        {
            "price": [f"${value:,}" for value in clean["price"]],
            "discount": [f"{value}%" for value in clean["discount"]],
            "size": ["?" if np.isnan(value) else f"{value} m²" for value in clean["size"]],
            "rooms": clean["rooms"].fillna(-999).astype(int),
            "built": clean["built"].dt.strftime("%m/%d/%Y"),
            "sold": clean["sold"],
            "y": [f"({-value:,.2f})" if value < 0 else f"{value:,.2f}" for value in clean["y"]],
        }
    )
    return clean, messy


def test_a_messy_table_is_its_clean_twin(tmp_path: Path, params: dict) -> None:
    clean, messy = twins()
    found = {}
    for name, table, settings in (("clean", clean, {}), ("messy", messy, {"missing": ["-999"]})):
        (tmp_path / name).mkdir()
        notes = stage(tmp_path / name, params, table, **settings)
        found[name] = [pd.read_parquet(tmp_path / name / f"data/{part}.parquet") for part in ("train", "test")]
    for ours, theirs in zip(*found.values(), strict=True):
        kept = ours.assign(built=pd.to_datetime(ours["built"]).astype(theirs["built"].dtype))
        pd.testing.assert_frame_equal(kept, theirs, check_dtype=False)
    assert {
        "price: $ removed, $4,327 is 4327",
        "discount: % removed, 13% is 13"
        if messy["discount"][0] == "13%"
        else f"discount: % removed, {messy['discount'][0]} is {clean['discount'][0]}",
        f"size: '?' in {clean['size'].isna().sum()} rows, taken as missing",
        "rooms: -999 in 1 rows, taken as missing",
    } <= set(notes)
    assert [note for note in notes if note.startswith("built: dates, ")]
    assert [note for note in notes if note.startswith("y: read as numbers, ")]


def test_doubtful_words_are_told(tmp_path: Path, params: dict) -> None:
    random = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "city": random.choice(["Rome", "Oslo", "-", " "], 80),
            "code": random.choice(["1", "2", "3", "x", "y"], 80, p=[0.25, 0.25, 0.2, 0.15, 0.15]),
            "many": random.choice([f"w{number}" for number in range(15)], 80),
            "y": random.normal(size=80),
        }
    )
    table.loc[:14, "many"] = [f"w{number}" for number in range(15)]
    notes = stage(tmp_path, params, table)
    doubts = (table["city"] == "-").sum()
    assert f"city: '-' in {doubts} rows, taken as a word; name it in --missing if it stands for a gap" in notes
    assert [note for note in notes if note.startswith("code: numbers in ") and "words in the others" in note]
    (city,) = [feature for feature in read_schema(tmp_path).encoding if feature.name == "city"]
    assert city.levels == ("(missing)", "-", "Oslo", "Rome")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["12%"] * 19 + ["13"], "'a', row 20: expected a number as in 95% of the rows, got '13'"),
        (["5 kg"] * 19 + ["heavy"], "'a', row 20: expected a number as in 95% of the rows, got 'heavy'"),
        (["1,25"] * 10 + ["1.25"] * 10, "'a': has numbers with decimal commas and others with decimal points"),
        (["03/04/2023", "05/06/2023"] * 10, "'a': '03/04/2023' may have the day or the month first"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, params: dict, cells: list[str], told: str) -> None:
    table = pd.DataFrame({"a": cells, "b": range(20), "y": np.arange(20) % 7})
    with pytest.raises(UserError) as caught:
        stage(tmp_path, params, table)
    assert told in str(caught.value)
    stage(tmp_path, params, table, exclude=["a"])  # a column that is left out needs no answer


def test_new_rows_may_be_written_as_the_old_ones(project: Path) -> None:
    rows = pd.read_parquet(project / "data/test.parquet")
    plain, written = project / "plain.csv", project / "written.csv"
    rows.assign(age=[f"{age:,.1f}" for age in 1000 * rows["age"]]).to_csv(written, index=False)
    rows.assign(age=(1000 * rows["age"]).round(1)).to_csv(plain, index=False)
    for table in (plain, written):
        predict.run(project / "runs/color/neural", table, table.with_suffix(".out"))
    assert plain.with_suffix(".out").read_bytes() == written.with_suffix(".out").read_bytes()


@given(rows=st.integers(2, 9), count=st.integers(2, 9))
def test_there_are_no_more_parts_than_rows(rows: int, count: int) -> None:
    parts = Split().parts(np.arange(rows), count, 0)
    assert len(parts) == min(rows, count)
    assert sorted(row for _, part in parts for row in part) == list(range(rows))
