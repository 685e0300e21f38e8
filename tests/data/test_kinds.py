"""Tables in other files than plain CSV: the same table from each, one clear line for damaged ones, and no bombs."""

import bz2
import gzip
import io
import json
import lzma
import os
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from straightline.config.streams import received
from straightline.config.table_options import TableOptions, command_line, table_settings
from straightline.data import totals
from straightline.data.contents import AbsentFileError
from straightline.data.reading import read_table
from straightline.errors import UserError
from straightline.stages import data
from tests.conftest import ROOT

PLAIN = "size,rooms,price\n50,2,100.5\n80,3,160\n"
TYPES = "http://schemas.openxmlformats.org"
MAIN, LINKS = f"{TYPES}/spreadsheetml/2006/main", f"{TYPES}/officeDocument/2006/relationships"
PACKAGE = f"{TYPES}/package/2006"
TABLE = '<row><c><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>'
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=9)


def write(folder: Path, content: str | bytes, name: str = "houses.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(members: dict[str, str | bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def workbook(rows: str = TABLE, texts: str = "", place: str = "worksheets/sheet1.xml", merged: str = "") -> bytes:
    """Return a spreadsheet of one sheet, whose rows and shared texts are given as XML."""
    types = f'<Default Extension="rels" ContentType="{PACKAGE}/relationships+xml"/>'
    relation = f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Type="{LINKS}/%s" Target="%s"/>%s'
    shared = f'<Relationship Id="r2" Type="{LINKS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">{types}</Types>',
            "_rels/.rels": relation % ("officeDocument", "xl/workbook.xml", "</Relationships>"),
            "xl/_rels/workbook.xml.rels": relation % ("worksheet", place, shared),
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}"><sheets>'
            '<sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/worksheets/unused.xml": "<worksheet/>",
            f"xl/{place}": f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{merged}</worksheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>',
        }
    )


def cells(*rows: tuple[object, ...]) -> str:
    """Return rows of a sheet as XML; None is a blank cell."""
    texts = []
    for row in rows:
        values = [
            "<c/>"
            if value is None
            else f'<c t="inlineStr"><is><t>{value}</t></is></c>'
            if isinstance(value, str)
            else f"<c><v>{value}</v></c>"
            for value in row
        ]
        texts.append(f"<row>{''.join(values)}</row>")
    return "".join(texts)


def refused(path: Path, **options: str) -> str:
    with pytest.raises(UserError) as caught:
        read_table(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 MB of free memory, of which a table may take 10."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=30 * 10**6))


PACKED: list[Callable[[bytes], bytes]] = [
    gzip.compress,
    bz2.compress,
    lzma.compress,
    lambda content: pa.compress(content, "zstd", asbytes=True),
    lambda content: zipped({"folder/houses.csv": content, "__MACOSX/._houses.csv": b"", "folder/.DS_Store": b""}),
    lambda content: zipped({"houses.csv": content, "README": "what is in it"}),
    lambda content: zipped({"houses.csv.gz": gzip.compress(content, mtime=0)}),
    lambda content: content.decode().encode("utf-16"),
    lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    lambda content: gzip.compress(content.decode().encode("utf-16"), mtime=0),
]


@pytest.mark.parametrize("pack", PACKED)
@pytest.mark.parametrize("name", ["houses.csv", "houses"])
def test_a_packed_table_is_the_table(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    frame, written = read_table(write(tmp_path, pack(PLAIN.encode()), name))
    assert frame.to_dict("list") == {"size": [50, 80], "rooms": [2, 3], "price": [100.5, 160]}
    assert written.description == "values separated by comma, decimal point"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (zipped({}), "is an archive without a file; expected one table in it"),
        (zipped({f"{name}.csv": PLAIN for name in "abcde"}), "is an archive of a.csv, b.csv, c.csv and 2 more; unpack"),
        (
            gzip.compress(gzip.compress(gzip.compress(PLAIN.encode(), mtime=0), mtime=0), mtime=0),
            "is packed more than twice; unpack it",
        ),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-12], "not readable as gzip"),
        (bz2.compress(PLAIN.encode())[:-12], "not readable as bzip2"),
        (lzma.compress(PLAIN.encode())[:-12], "not readable as xz"),
        (
            zipped({"content.xml": "", "mimetype": "spreadsheet"}),
            "is a spreadsheet of a kind that is not read; save it",
        ),
        (zipped({"xl/workbook.bin": b""}), "is a spreadsheet of a kind that is not read; save it as .xlsx or CSV"),
        (zipped({"a.csv": PLAIN}).replace(b"\x00\x00\x08\x00", b"\x01\x00\x08\x00"), "a.csv is encrypted; unpack it"),
    ],
)
def test_what_cannot_be_unpacked_is_said(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refused(write(tmp_path, content, "t.zip"))


@pytest.mark.usefixtures("little_memory")
def test_bombs_are_refused_while_they_are_counted(tmp_path: Path) -> None:
    zeros = bytes(2 * 10**7)
    for pack in PACKED[:6]:
        assert "unpacks to more than 0.0 GB, too much for the memory" in refused(write(tmp_path, pack(zeros)))
    claimed = zipped({"a.csv": zeros}).replace(len(zeros).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert "unpacks to more than" in refused(write(tmp_path, claimed))
    text = b"a\n" + b"0\n" * 4_000_000  # nine million bytes as UTF-8
    assert len(read_table(write(tmp_path, text))[0]) == 4_000_000
    assert "has more than" in refused(write(tmp_path, (b"a\n" + b"0\n" * 6_000_000).decode().encode("utf-16")))


@given(text=st.text("aé漢😀\u2028 ;|", min_size=1, max_size=9))
@FUZZ
def test_utf16_is_the_text(tmp_path: Path, text: str) -> None:
    frame, _ = read_table(write(tmp_path, f'a,b\n"x{text}x",1\ny,2\n'.encode("utf-16")))
    assert frame["a"].tolist() == [f"x{text}x", "y"]


class TestSpreadsheets:
    def read(self, folder: Path, content: bytes) -> pd.DataFrame:
        return read_table(write(folder, content, "t.xlsx"))[0]

    def test_titles_and_blanks_around_the_table(self, tmp_path: Path) -> None:
        rows = (
            ("Sales",),
            (),
            (None, "a", "b", None),
            (),
            (None, 1, "x", None),
            (None, None, "NA", None),
            (None, 3, "y"),
        )
        frame, written = read_table(write(tmp_path, workbook(cells(*rows)), "t.xlsx"))
        assert written.description == "sheet 'One', header in row 3"
        assert frame.to_dict("list") == {"a": [1, 3], "b": ["x", "y"]}

    def test_numbers_words_and_truths_have_the_types_of_csv(self, tmp_path: Path) -> None:
        rows = (("n", "f", "mixed", 2024), (1, 1.5, 7, "a"), (2, None, "unknown", "b"))
        truths = '<row><c t="inlineStr"><is><t>t</t></is></c></row><row><c t="b"><v>1</v></c></row>'
        frame = self.read(tmp_path, workbook(cells(*rows)))
        assert frame["n"].tolist() == [1, 2]
        assert frame["n"].dtype == np.int64
        np.testing.assert_array_equal(frame["f"], [1.5, np.nan])
        assert frame["mixed"].tolist() == ["7", "unknown"]
        assert list(frame.columns) == ["n", "f", "mixed", "2024"]
        assert self.read(tmp_path, workbook(truths)).to_dict("list") == {"t": [True]}

    def test_cells_merged_in_a_column_have_their_value_in_each_row(self, tmp_path: Path) -> None:
        rows = cells(("city", "n"), ("Rome", 1), (None, 2), ("Oslo", 3))
        merged = '<mergeCells count="1"><mergeCell ref="A2:A3"/></mergeCells>'
        assert self.read(tmp_path, workbook(rows, merged=merged))["city"].tolist() == ["Rome", "Rome", "Oslo"]

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            ((("a", None), (1, 2)), "sheet 'One', row 1: column B has no name; name every column in the header"),
            ((("a", "a"), (1, 2)), "sheet 'One': column names must differ, got a more than once"),
            (((1, 2), (3, 4)), "sheet 'One': the first line is numbers, expected the columns' names"),
            ((("a", "b"),), "has a header and no rows"),
            ((), "sheet 'One': is empty; expected a header and rows below it"),
        ],
    )
    def test_what_is_no_table_is_said(self, tmp_path: Path, rows: tuple, told: str) -> None:
        assert told in refused(write(tmp_path, workbook(cells(*rows)), "t.xlsx"))

    def test_a_sheet_is_for_spreadsheets(self, tmp_path: Path) -> None:
        assert "has no sheets, since it is no spreadsheet" in refused(write(tmp_path, PLAIN), sheet="One")

    @pytest.mark.parametrize(
        "content",
        [
            workbook('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
            workbook('<row r="1"><c r="A1"><v>1</v></c></row><row r="99999999"><c r="ZZZZZ9"><v>1</v></c></row>'),
            workbook("<row/>" * 99_999 + f"<row>{'<c><v>1</v></c>' * 99_999}</row>"),
        ],
    )
    def test_cells_far_apart_are_refused_before_they_are_read(self, tmp_path: Path, content: bytes) -> None:
        assert len(content) < 20_000
        assert "more than is free; remove what stands far from the table" in refused(write(tmp_path, content, "t.xlsx"))

    @pytest.mark.usefixtures("little_memory")
    def test_a_long_text_in_many_cells_is_refused(self, tmp_path: Path) -> None:
        row = '<c t="s"><v>0</v></c>' * 200
        content = workbook(f"<row>{row}</row>", f"<si><r><t>{'x' * 10**5}</t></r></si>")
        assert "GB of memory (200 cells" in refused(write(tmp_path, content, "t.xlsx"))

    @pytest.mark.parametrize(
        "content",
        [
            workbook("<row><c></row>"),
            workbook("<row></c>", place="drawings/vmlDrawing1.vml"),
            workbook().replace(b"PK\x01\x02", b"PK\x01\x03"),
            zipped({"xl/worksheets/sheet1.xml": '<!DOCTYPE a [<!ENTITY b "c">]><sheetData>&b;</sheetData>'}),
            zipped({"xl/worksheets/sheet1.xml": "<a/>"}),
        ],
    )
    def test_damaged_ones_are_refused(self, tmp_path: Path, content: bytes) -> None:
        assert "not readable as a" in refused(write(tmp_path, content, "t.xlsx"))

    @given(changes=CHANGES)
    @FUZZ
    def test_a_damaged_file_is_read_or_refused(self, tmp_path: Path, changes: list[tuple[float, bytes]]) -> None:
        with suppress(UserError):
            self.read(tmp_path, changed((ROOT / "tests/tables/sales.xlsx").read_bytes(), changes))


def changed(content: bytes, changes: list[tuple[float, bytes]]) -> bytes:
    result = bytearray(content)
    for place, new in changes:
        at = int(place * (len(result) - 1))
        result[at : at + len(new)] = new
    return bytes(result)


@pytest.mark.parametrize("name", ["houses.feather", "houses.csv.gz", "houses.csv.xz", "houses.zip", "events.jsonl"])
@given(changes=CHANGES)
@FUZZ
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path, changes: list[tuple[float, bytes]]) -> None:
    with suppress(UserError):
        read_table(write(tmp_path, changed((ROOT / "tests/tables" / name).read_bytes(), changes), name))


class TestObjects:
    @given(
        rows=st.lists(
            st.fixed_dictionaries(
                {"n": st.integers(-(10**9), 10**9), "f": st.floats(allow_nan=False, allow_infinity=False)},
                optional={"w": st.sampled_from(["x", "y"]), "t": st.booleans()},
            ),
            min_size=1,
            max_size=9,
        ),
        in_lines=st.booleans(),
    )
    @FUZZ
    def test_objects_are_rows(self, tmp_path: Path, rows: list[dict[str, object]], in_lines: bool) -> None:
        text = "\n".join(map(json.dumps, rows)) if in_lines else json.dumps(rows, indent=1)
        frame, _ = read_table(write(tmp_path, text, "t"))
        np.testing.assert_array_equal(frame["n"], [row["n"] for row in rows])
        np.testing.assert_array_equal(frame["f"], [row["f"] for row in rows])
        for name in ("w", "t"):
            if name in frame:
                assert [None if pd.isna(v) else v for v in frame[name]] == [row.get(name) for row in rows]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{"a": 1}\n5\n', 'line 2: expected an object such as {"size": 80}, got the value 5'),
            ('{"a": 1}\n[1]\n', "line 2: expected an object such as"),
            ('[{"a": 1}, {"a": [1]}]', "row 2: 'a' holds a list, expected a number, a text, true, false or null"),
            ('{"a": 1, "a": 2}\n', "line 1: has the key 'a' twice; expected each key once"),
            ('{"a": ' + "[" * 10**5 + "\n", "line 1: is nested too deeply"),
            ('{\n"a": 1\n}\n', "line 1: is no JSON (expecting property name enclosed in double quotes, column"),
            ('{"a": ' + "9" * 5000 + "}\n", "line 1: is no JSON"),
            ('{"": 1}\n', "column 1 has no name"),
            ("{}\n", "has no column"),
        ],
    )
    def test_what_is_no_table_is_said(self, tmp_path: Path, text: str, told: str) -> None:
        assert told in refused(write(tmp_path, text, "t.jsonl"))

    @pytest.mark.usefixtures("little_memory")
    def test_many_keys_are_refused(self, tmp_path: Path) -> None:
        text = "".join(f'{{"k{number}": 1}}\n' for number in range(4000))
        assert "is too large for the memory that is free" in refused(write(tmp_path, text, "t.jsonl"))


@pytest.mark.usefixtures("little_memory")
def test_a_feather_file_is_counted_batch_by_batch(tmp_path: Path) -> None:
    table = pa.table({"a": np.zeros(10**7, np.int8)})
    pa.feather.write_feather(table, tmp_path / "t.feather", compression="zstd", chunksize=10**6)
    assert (tmp_path / "t.feather").stat().st_size < 10**5
    assert "has more rows than fit in the memory that is free" in refused(tmp_path / "t.feather")


class TestStreams:
    def test_standard_input(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with (ROOT / "tests/tables/houses.csv.gz").open() as file:
            monkeypatch.setattr("sys.stdin", file)
            assert len(read_table(Path("-"))[0]) == 40
        with write(tmp_path, "a,b\n1\n").open() as file:
            monkeypatch.setattr("sys.stdin", file)
            assert refused(Path("-")).startswith("standard input: the header has 2 columns, row 1 has 1")
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        assert "standard input is a terminal; pipe a table into it" in refused(Path("-"))

    def test_a_pipe_is_read_and_kept_for_a_run(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe.csv"
        os.mkfifo(pipe)
        for use in (lambda: len(read_table(pipe)[0]), lambda: self.kept(pipe, tmp_path)):
            writer = threading.Thread(target=pipe.write_text, args=(PLAIN,))
            writer.start()
            assert use() == 2
            writer.join()
        assert [path.name for path in tmp_path.iterdir()] == ["pipe.csv"]

    def kept(self, pipe: Path, folder: Path) -> int:
        with received(pipe, folder) as path:
            assert path == folder / "pipe"
            return len(read_table(path)[0])

    def test_a_file_is_not_copied(self, tmp_path: Path) -> None:
        with received(write(tmp_path, PLAIN), tmp_path) as path:
            assert path == tmp_path / "houses.csv"
        assert path.exists()

    def test_settings_and_command_name_standard_input(self) -> None:
        options = TableOptions(Path("-"), ["price"], data={"sheet": "My data"})
        assert options.name == "standard-input"
        assert "path: standard input\n" in table_settings(options)
        assert "sheet: My data\n" in table_settings(options)
        assert command_line(options) == "straightline run - --target price --sheet 'My data'"

    @pytest.mark.parametrize(
        ("file", "name"),
        [
            ("a/houses.csv", "houses"),
            ("houses.csv.gz", "houses"),
            ("houses.zip", "houses"),
            ("houses.v2.tsv.XZ", "houses.v2"),
            (".gz", ".gz"),
        ],
    )
    def test_the_name_of_a_table_is_without_its_kind(self, file: str, name: str) -> None:
        assert TableOptions(Path(file), ["y"]).name == name


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("https://a.org/b.csv?c=1&d=2", "https://a.org/b.csv?c=1&d=2: is an address.*first: curl -LO 'https://a.org"),
        ("folder/http:/a.org/b.csv", "http://a.org/b.csv: is an address"),
        ("s3://bucket/b.csv", "s3://bucket/b.csv: is an address.*copy it here"),
    ],
)
def test_nothing_is_read_from_the_network(path: str, told: str) -> None:
    with pytest.raises(UserError, match=told.replace("?", r"\?")):
        read_table(Path(path))


def test_only_the_pipeline_speaks_of_experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "none.csv: no such file; give the path of a file with a table, such as houses.csv"
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(table_settings(TableOptions(Path("none.csv"), ["y"])))
    with pytest.raises(AbsentFileError) as caught:
        data.run(Path("."))
    assert str(caught.value) == f"{tmp_path}/{told}"
    with pytest.raises(UserError) as in_pipeline:
        data.run_in_pipeline(Path("."))
    assert str(in_pipeline.value).startswith(f"{tmp_path}/{told} (`dvc exp run --temp` and the queue see only files")


class TestTotals:
    TABLE = pd.DataFrame(
        {"shop": ["a", "b", "a", "c", "d"], "sold": [3.0, 4, 1, 7, 2], "share": [0.2, 0.3, 0.1, 0.3, 0.1]}
    )

    @pytest.mark.parametrize("word", ["Total", "Grand total:", "SUM", "Summe", None])
    def test_a_sum_at_the_end_is_said(self, word: str | None) -> None:
        table = pd.concat([self.TABLE, pd.DataFrame({"shop": [word], "sold": [17.0], "share": [np.nan]})])
        assert totals.total_row(table.reset_index(drop=True)) == [
            "row 6, the last one, is the sum of the rows above in 'sold'; remove it"
        ]

    @pytest.mark.parametrize(("word", "sold"), [("a", 17.0), ("Total", 16.0), ("Totally", 17.0)])
    def test_other_rows_are_rows(self, word: str, sold: float) -> None:
        table = pd.concat([self.TABLE, pd.DataFrame({"shop": [word], "sold": [sold], "share": [0.5]})])
        assert totals.total_row(table.reset_index(drop=True)) == []
        assert totals.total_row(self.TABLE) == []
        assert totals.total_row(self.TABLE[["sold"]]) == []
