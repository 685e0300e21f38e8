"""Whatever a file holds: `straightline run` answers in finite numbers, or says in one line what is wrong."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.data.schema import read_schema
from straightline.errors import UserError
from tests.builders import quick

QUICK = quick()
ODD = [
    "",
    "NA",
    "inf",
    "-inf",
    "nan",
    "1e400",
    "1e300",
    "-1e300",
    "1e-320",
    "1,5",
    '"',
    "'",
    "0x1f",
    "yes",
    "2026-01-31",
]
ODD += ["true", " 7", "7 ", "é", "a;b", "=1+1", "\t", "99999999999999999999", "#", "[red]", "\x01", "1_000", "∞"]


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """Draw a table of words, numbers and a target, some of whose cells, rows and columns are odd."""
    rows, seed = draw(st.integers(0, 40)), draw(st.integers(0, 99))
    random = np.random.default_rng(seed)
    size, kind = random.uniform(1, 9, rows), random.integers(0, 3, rows)
    price = np.round(size + kind + random.normal(0, 0.5, rows), 3)
    if draw(st.booleans()):
        price = (price > 6).astype(int)
    header = ["size", "kind", "when", "price"]
    cells = [
        [f"{a:.3f}", "abc"[b], f"2026-01-{1 + n % 28:02}", f"{c}"]
        for n, (a, b, c) in enumerate(zip(size, kind, price, strict=True))
    ]
    table = [header, *cells]
    for _ in range(draw(st.integers(0, 4))):
        row, column = draw(st.integers(0, max(len(table) - 1, 0))), draw(st.integers(0, 3))
        match draw(st.sampled_from(["cell", "column", "row", "copy", "short", "long", "drop"])):
            case "cell" if column < len(table[row]):
                table[row][column] = draw(st.one_of(st.sampled_from(ODD), st.text(max_size=4)))
            case "column":
                odd = draw(st.sampled_from([*ODD, "5"]))
                table = [
                    line if n == 0 or column >= len(line) else [*line[:column], odd, *line[column + 1 :]]
                    for n, line in enumerate(table)
                ]
            case "row":
                table[row] = [draw(st.sampled_from(ODD)) for _ in table[row]]
            case "copy":
                table += [list(line) for line in table[1:]]
            case "short":
                table[row] = table[row][:column]
            case "long":
                table[row] = [*table[row], "9"]
            case "drop":
                table = [[cell for n, cell in enumerate(line) if n != column] for line in table]
    return table


def written(table: list[list[str]], delimiter: str, ending: str) -> bytes:
    return (ending.join(delimiter.join(line) for line in table) + ending).encode("utf-8", "surrogateescape")


@given(
    table=tables(),
    delimiter=st.sampled_from([",", ",", ";", "\t"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    cut=st.one_of(st.none(), st.none(), st.tuples(st.integers(0, 900), st.binary(max_size=3), st.integers(0, 9))),
    options=st.sampled_from(
        [
            (),
            (),
            ("--held-out", "0"),
            ("--groups", "kind"),
            ("--split", "time", "--time", "when"),
            ("--categorical", "size"),
        ]
    ),
)
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@pytest.mark.usefixtures("without_pictures")
def test_there_is_an_answer_or_one_clear_line(
    tmp_path: Path,
    table: list[list[str]],
    delimiter: str,
    ending: str,
    cut: tuple[int, bytes, int] | None,
    options: tuple[str, ...],
) -> None:
    content = written(table, delimiter, ending)
    if cut is not None:
        at, what, length = cut
        content = content[:at] + what + content[at + length :]
    file, out = tmp_path / "any.csv", tmp_path / "out"
    file.write_bytes(content)
    shutil.rmtree(out, ignore_errors=True)
    found = CliRunner().invoke(app, ["run", str(file), "--target", "price", "--out", str(out), *options, *QUICK])
    if found.exit_code:
        assert isinstance(found.exception, UserError), (content, found.exception)
        assert "\n" not in str(found.exception)
        assert [path.name for path in tmp_path.iterdir()] == ["any.csv"]
        return
    header = content.decode("utf-8-sig").splitlines()[0].replace('"', "")
    assert all(name in header for name in read_schema(out).features)
    verdict = json.loads((out / "verdicts/price.json").read_text(), parse_constant=None)
    assert np.isfinite([*verdict["losses"].values(), verdict["mean_loss"], *verdict["probabilities"].values()]).all()
    for model in ("regression", "neural"):
        assert np.isfinite(pd.read_parquet(out / f"predictions/price-{model}.parquet").to_numpy()).all()
        assert np.isfinite(pd.read_csv(out / f"runs/price/{model}/folds.csv")["loss"]).all()
