"""`straightline run` on textbooks' tables, from their packages' own files: coefficients and answers."""

import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.data import examples
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json
from tests.builders import quick
from tests.textbook_tables import REFERENCE, TABLES, TESTS, features

QUICK = quick(epochs=1)
ENOUGH = {"baseline_better", "practically_equivalent", "baseline_enough"}
ANSWERS = {  # the findings that the rows may lead to
    "D3_wage1_lwage": ENOUGH | {"undecided"},
    "D4_spector": ENOUGH | {"undecided"},
    "D5_mroz": ENOUGH | {"undecided"},
    "D6_islr_default": ENOUGH,
    "D8_diamonds_price": {"challenger_better"},
}
QUICKEST = ("D4_spector", "D6_islr_default")  # with quotes, another delimiter, and words
SLOW = partial(pytest.param, marks=pytest.mark.slow)
pytestmark = pytest.mark.usefixtures("without_pictures")


def answer(name: str, *options: str) -> Result:
    """Run the CLI on a table as it lies in its package, but for rows without a target."""
    own, columns = TABLES[name], features(name)
    text = own.text
    if own.complete:
        rows = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=["", "NA"])
        text = rows.dropna(subset=[*own.complete]).to_csv(index=False)
    Path("table.csv").write_text(text)
    quoted = (lambda column: f"'{column}'") if own.quote == "'" else str
    chosen = ("--target", quoted(own.target), "--features", ",".join(map(quoted, columns)))
    given = ("--delimiter", own.separator) if own.separator != "," else ()
    return run("table.csv", *chosen, *given, *options)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments, "--out", "out"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [name if name in QUICKEST else SLOW(name) for name in TABLES])
def test_coefficients_are_the_textbooks(here: Path, name: str) -> None:
    found = answer(name, "--held-out", "0", *QUICK)
    assert found.exit_code == 0, found.output
    (folder,) = (here / "out/runs").iterdir()
    table = pd.read_csv(folder / "regression/coefficients.csv")
    np.testing.assert_allclose(table["estimate"], REFERENCE[name]["coef"], rtol=1e-6)
    np.testing.assert_allclose(table["std_error"], REFERENCE[name]["se"], rtol=1e-6)
    terms = [f"{column}[Yes]" if column == "student" else column for column in features(name)]
    assert [term.strip("'") for term in table["term"]] == ["Intercept", *terms]
    assert read_json(here / "out/data/schema.json")["rows"] == {"train": REFERENCE[name]["n"], "test": 0}


def test_nists_hardest_table_has_its_digits_and_says_how_many(here: Path) -> None:
    """D2: Filip's polynomial of degree ten, certified by NIST."""
    known = json.loads((TESTS / "reference/strd_dev.json").read_text())["Filip"]
    x = np.array([float(row[0]) for row in known["x"]])
    table = pd.DataFrame({f"x^{power}": x**power for power in range(1, 11)}).assign(y=np.array(known["y"], float))
    table.to_csv("table.csv", index=False, float_format="%.17g")
    found = run("table.csv", "--target", "y", "--held-out", "0", *QUICK)
    assert found.exit_code == 0, found.output
    shown = pd.read_csv(here / "out/runs/y/regression/coefficients.csv")
    np.testing.assert_allclose(shown["estimate"], np.array(known["certified_beta"], float), rtol=1e-7)
    np.testing.assert_allclose(shown["std_error"], np.array(known["certified_sd"], float), rtol=1e-6)
    assert "digits of the coefficients can be trusted" in " ".join(found.output.split())


def test_no_coefficient_is_shown_where_the_classes_are_separated(here: Path) -> None:
    examples.load("breast_cancer").to_csv("table.csv", index=False)
    found = run("table.csv", "--target", "target", "--held-out", "0", *QUICK)
    assert found.exit_code == 0, found.output
    table = pd.read_csv(here / "out/runs/target/regression/coefficients.csv")
    assert len(table) == 31
    assert table[["estimate", "std_error", "statistic", "p_value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert "the classes are separated by" in found.output


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_the_finding_is_the_one_that_the_rows_allow(here: Path, name: str) -> None:
    # Of 32 rows a fifth held out leaves too few of a class for ten folds.
    found = answer(name, *(("--held-out", "0") if name == "D4_spector" else ()))
    assert found.exit_code == 0, found.output
    (path,) = (here / "out/verdicts").iterdir()
    assert read_json(path)["finding"] in ANSWERS[name]


def test_too_few_rows_for_ten_folds_are_said(here: Path) -> None:
    found = answer("D4_spector")
    assert isinstance(found.exception, UserError)
    assert "the rarest class, 1, has 9 training rows, too few for 10 folds" in str(found.exception)
    assert [path.name for path in here.iterdir()] == ["table.csv"]
