"""Files that are no table, or not quite: one clear line each; and tables as people write them."""

import datetime
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from straightline.data import encoding
from straightline.data.features import fit_encoding
from straightline.data.reading import read_as_written, read_table
from straightline.errors import UserError

PLAIN = "size,rooms,price\n50,2,100.5\n80,3,160\n"


def write(folder: Path, content: str | bytes, name: str = "houses.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty; expected a header line"),
        (b"\xef\xbb\xbf\n\n", "is empty; expected a header line"),
        ("a,b\n", "has a header and no rows"),
        (b"PK\x03\x04rest", "not readable as a zip archive: File is not a zip file; pack or download it again"),
        (b"PAR1rest", "not readable as Parquet"),
        (b"\xff\xfea\x00,", "begins as UTF-16 and is not"),
        (b"\xd0\xcf\x11\xe0rest", "is a spreadsheet of the old kind (.xls), or one with a password; save it as .xlsx"),
        (b"x" * 257 + b"ustar", "is an archive (tar); unpack it"),
        ("<!DOCTYPE html><html></html>", "is a web page, expected a CSV file; download the file itself"),
        (b"a,b\n1,2\n3,\x004\n", "line 3: has a NUL byte"),
        (b"a,b\n1,2\n1,2\nx,caf\xe9\n", "line 4: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a,b\n1,2\n1,2,3\n4\n", "the header has 2 columns, row 2 has 3, row 3 has 1; quote values"),
        ("a,b\n" + "1\n" * 9, "row 1 has 1, row 2 has 1, row 3 has 1, and 6 more rows"),
        ("a,b,a\n1,2,3\n", "column names must differ, got a more than once"),
        ("a,,c\n1,2,3\n", "column 2 has no name; name every column in the header"),
        ("1,2.5\n3,4\n", "the first line is numbers, expected the columns' names; add a header line"),
        ('a,b\n1,"x\n2,"y\n3,z\n', "line 2: a quote opens a cell of several lines, and is not closed"),
        ('a,b\n1,"x"\n2,"y\n3,z\n4,z\n', "line 3: a quote opens a cell of several lines, and is not closed"),
        ("c" + 100_000 * ",c" + "\n", "has 100,001 columns, expected at most 100,000; is it transposed?"),
        ("a,b\n1,2\n" + 5_000_000 * "," + "\n", "the header has 2 columns, row 2 has 5000001; quote values"),
        ("a;b\n1,5;2.5\n", "has numbers with commas and with points; give the decimal mark"),
        ("a;b,c\n1;2,3\n", "values may be separated by comma or semicolon; give it: --delimiter"),
    ],
)
def test_what_is_no_table_is_said_in_a_line(tmp_path: Path, content: str | bytes, told: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.csv: no such file; give the path"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(UserError, match="is a folder; give the path"):
        read_table(tmp_path)
    with pytest.raises(UserError, match="not readable as Parquet"):
        read_table(write(tmp_path, "no", "houses.parquet"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (PLAIN, "values separated by comma, decimal point"),
        (PLAIN.replace(",", ";").replace(".", ","), "values separated by semicolon, decimal comma"),
        (PLAIN.replace(",", "\t"), "values separated by tab, decimal point"),
        (PLAIN.replace(",", "|"), "values separated by bar, decimal point"),
        ("\ufeff" + PLAIN, "values separated by comma, decimal point"),
        (PLAIN.replace("\n", "\r\n"), "values separated by comma, decimal point"),
        ('"size",rooms,"price"\n"50",2,100.5\n80,3,160\n', "values separated by comma, decimal point"),
    ],
)
def test_what_is_found_is_told(tmp_path: Path, content: str, words: str) -> None:
    frame, written = read_table(write(tmp_path, content))
    assert written is not None
    assert written.description == words
    assert frame["price"].tolist() == [100.5, 160]
    assert list(frame.columns) == ["size", "rooms", "price"]


def test_what_is_given_is_not_looked_for(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, "a;b,c\n1;2,3\n"), delimiter=";", decimal=",")
    assert frame.to_dict("list") == {"a": [1], "b,c": [2.3]}


def test_values_over_several_lines_and_quoted_delimiters_stay_where_they_are(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, 'note,price\n"two\nlines, one comma",5\n"he said ""no""",6\n'))
    assert frame["note"].tolist() == ["two\nlines, one comma", 'he said "no"']
    assert frame["price"].tolist() == [5, 6]


def test_a_type_that_shows_late_is_the_columns(tmp_path: Path) -> None:
    rows = 300_000  # beyond the part of a file that types are found in
    lines = ["whole,half,word"] + ["1,2,3"] * rows + ["1,2.5,three"]
    frame, _ = read_table(write(tmp_path, "\n".join(lines)))
    assert frame["whole"].dtype == np.int64
    assert frame["half"].iloc[-1] == 2.5
    assert frame["word"].iloc[[0, -1]].tolist() == ["3", "three"]


def test_missing_values_are_what_people_write(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, 'a,b\nNA,x\n,"NA"\n3,\nnull,N/A\n'))
    assert frame["a"].isna().tolist() == [True, True, False, True]
    assert frame["b"].tolist()[:2] == ["x", "NA"]  # a word in quotes is a word
    assert frame["b"].isna().tolist() == [False, False, True, True]


TABLES = st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=8)


@given(rows=TABLES, delimiter=st.sampled_from([",", ";", "\t", "|"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_pandas_writes_is_read(tmp_path: Path, rows: list[list[float]], delimiter: str) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    frame.to_csv(tmp_path / "own.csv", index=False, sep=delimiter)
    found, _ = read_table(tmp_path / "own.csv")
    np.testing.assert_array_equal(found.to_numpy(float), frame.to_numpy())


@given(at=st.integers(0, 400), what=st.binary(min_size=0, max_size=6), cut=st.integers(0, 6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutilated_file_is_read_or_refused_and_columns_never_shift(
    tmp_path: Path, at: int, what: bytes, cut: int
) -> None:
    """Each value says its column (1xx, 2xx, 3xx), so that one in another's place would be seen."""
    lines = ["one,two,three"] + [f"1{row:02},2{row:02},3{row:02}" for row in range(25)]
    whole = "\n".join(lines).encode()
    (tmp_path / "cut.csv").write_bytes(whole[:at] + what + whole[at + cut :])
    try:
        frame, _ = read_table(tmp_path / "cut.csv")
    except UserError:
        return
    if b'"' in what:
        return  # a quote may hold the lines after it
    untouched = [line for line in lines[1:] if line.encode() in (tmp_path / "cut.csv").read_bytes().split(b"\n")]
    if list(frame.columns) == ["one", "two", "three"]:
        read = {tuple(map(str, row)) for row in frame.itertuples(index=False)}
        read |= {tuple(str(value).removesuffix(".0") for value in row) for row in frame.itertuples(index=False)}
        assert {tuple(line.split(",")) for line in untouched} <= read


def test_a_long_cell_is_a_cell(tmp_path: Path) -> None:
    frame, _ = read_table(write(tmp_path, f"a,b\n1,x\n2,{'z' * 140_000}\n"))
    assert frame["b"].str.len().tolist() == [1, 140_000]


@pytest.mark.parametrize("delimiter", ["é", "ab", "", '"', "\n"])
def test_a_delimiter_is_one_ascii_character(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(UserError, match="delimiter: expected one ASCII character"):
        read_table(write(tmp_path, PLAIN), delimiter)


def parquet(folder: Path, values: pa.Array) -> Path:
    pa.parquet.write_table(pa.table({"a": values}), folder / "table.parquet")
    return folder / "table.parquet"


NOT_UTF8 = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe", b"ok"]).buffers())


class TestParquet:
    @pytest.mark.parametrize("kind", [pa.decimal128(10, 2), pa.decimal256(40, 2)])
    def test_decimals_are_numbers(self, tmp_path: Path, kind: pa.DataType) -> None:
        frame, _ = read_table(parquet(tmp_path, pa.array([Decimal("1.25"), None, Decimal("-2.50")], kind)))
        np.testing.assert_array_equal(frame["a"], [1.25, np.nan, -2.5])

    def test_the_index_of_a_pandas_table_is_columns(self, tmp_path: Path) -> None:
        index = pd.MultiIndex.from_tuples([("x", 3), ("y", 4)], names=["group", None])
        pd.DataFrame({"a": [1, 2]}, index).to_parquet(tmp_path / "t.parquet")
        frame, _ = read_table(tmp_path / "t.parquet")
        assert frame.to_dict("list") == {"a": [1, 2], "group": ["x", "y"], "__index_level_1__": [3, 4]}

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            (pa.array(["a\0b", "c"]), "column 'a', row 1: has a NUL character, expected text; remove it"),
            (pa.array(["c", "a\0b"], pa.string_view()), "column 'a', row 2: has a NUL character"),
            (pa.array(["c", "a\0b"]).dictionary_encode(), "column 'a', row 2: has a NUL character"),
            (NOT_UTF8, "column 'a' has words that are not UTF-8"),
        ],
    )
    def test_what_is_no_text_is_said(self, tmp_path: Path, values: pa.Array, told: str) -> None:
        with pytest.raises(UserError) as caught:
            read_table(parquet(tmp_path, values))
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_names_have_no_nul(self, tmp_path: Path) -> None:
        pa.parquet.write_table(pa.table({"a\0b": [1, 2], "c": [1, 2]}), tmp_path / "t.parquet")
        with pytest.raises(UserError, match="the name of column 1 has a NUL character"):
            read_table(tmp_path / "t.parquet")

    def test_stamps_millions_of_years_away_are_said(self, tmp_path: Path) -> None:
        frame, _ = read_table(parquet(tmp_path, pa.array([2**62, -(2**62)], pa.timestamp("ms"))))
        with pytest.raises(UserError, match="column 'a'"):
            fit_encoding(frame, np.arange(2), ["a"], [])

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (pa.array([[1], [2, 3]]), "list<element: int64>"),
            (pa.array([{"b": 1}, {"b": 2}]), "struct<b: int64>"),
            (pa.array([[("b", 1)], []], pa.map_(pa.string(), pa.int64())), "map<string, int64"),
            (pa.array([b"a", b"b"]), "binary"),
            (pa.array([datetime.time(1), datetime.time(2)]), "time64[us]"),
            (pa.array([datetime.timedelta(1), datetime.timedelta(2)]), "duration[us]"),
        ],
    )
    def test_a_type_that_no_model_takes_is_refused_if_it_is_used(
        self, tmp_path: Path, values: pa.Array, kind: str
    ) -> None:
        pa.parquet.write_table(pa.table({"a": values, "b": [1.0, 2.0]}), tmp_path / "t.parquet")
        frame, _ = read_table(tmp_path / "t.parquet")
        with pytest.raises(UserError) as caught:
            fit_encoding(frame, np.arange(2), ["a", "b"], [])
        assert "column 'a': expected numbers, words, dates or true and false, got the Parquet type" in str(caught.value)
        assert kind in str(caught.value)
        assert fit_encoding(frame, np.arange(2), ["b"], [])[0]

    def test_true_and_false_with_a_gap(self, tmp_path: Path) -> None:
        frame, _ = read_table(parquet(tmp_path, pa.array([True, None, False, True])))
        features, _ = fit_encoding(frame, np.arange(4), ["a"], [])
        np.testing.assert_allclose(encoding.matrix(frame, features), [[1, 0], [2 / 3, 1], [0, 0], [1, 0]])

    def test_more_rows_than_memory_holds_are_refused_before_they_are_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2 * 10**9))
        path = parquet(tmp_path, pa.array(np.zeros(10**8, np.int8)))
        with pytest.raises(UserError, match="has 100,000,000 rows of 1 columns, which need some 2 GB of memory, and 2"):
            read_table(path)

    @given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=9))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    def test_a_damaged_file_is_read_or_refused(self, tmp_path: Path, changes: list[tuple[float, bytes]]) -> None:
        path = tmp_path / "table.parquet"
        dates = pd.date_range("2026-01-01", periods=4)
        pd.DataFrame({"a": [1.5, 2, 3, 4], "b": ["x", "y", "x", None], "c": dates}).to_parquet(path)
        content = bytearray(path.read_bytes())
        for place, new in changes:
            at = int(place * (len(content) - 1))
            content[at : at + len(new)] = new
        path.write_bytes(content)
        with suppress(UserError):
            assert len(read_table(path)[0])


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", '\ufeff"sep=;"\n'])
def test_a_line_for_spreadsheet_programs_is_no_header(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, line + "zip;price\n01067;1,5\n10115;2\n")
    frame, written = read_table(path)
    assert (frame["price"].tolist(), written.delimiter, written.decimal) == ([1.5, 2.0], ";", ",")
    assert written.description.endswith(
        "zip: 01067 is read as a number; if it is a code, name it in --categorical (data.categorical)"
    )
    assert read_as_written(path, ["zip"], ";")["zip"].tolist() == ["01067", "10115"]
