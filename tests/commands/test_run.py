"""`straightline run`: a user's own table from file to answer."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.config.settings import load
from straightline.config.table_options import TableOptions, column_names, table_settings
from straightline.data import examples
from straightline.data.rows import Rows
from straightline.data.schema import RowCounts, read_schema
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.runtime.artifacts import read_json
from straightline.stages import compose
from straightline.tracking import publication
from tests.builders import quick
from tests.conftest import ROOT

QUICK = quick(hidden=4, epochs=4, k=3)


def houses(folder: Path) -> pd.DataFrame:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"size": random.uniform(40, 200, 120), "rooms": random.integers(1, 6, 120)})
    table["id"] = np.arange(120)
    table["price"] = 1000 + 30 * table["size"] + 500 * table["rooms"] + random.normal(0, 200, 120)
    table["sold"] = np.where(random.random(120) < 0.5, "yes", "no")
    table.to_csv(folder / "houses.csv", index=False)
    return table


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["run", *arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trains_nothing(patched: pytest.MonkeyPatch) -> None:
    from straightline.stages import evaluate, train

    for stage in (train, evaluate):
        patched.setattr(stage, "run", lambda *_, **__: pytest.fail("it was computed again"))


def test_one_command_answers_and_later_ones_keep_what_it_computed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = houses(here)
    options = ("houses.csv", "--target", "price", "--target", "sold", "--exclude", "id", "--held-out", "0")
    found = invoke(*options, *QUICK)
    assert found.exit_code == 0, found.output
    out = here / "straightline-houses"
    assert {path.name for path in out.iterdir()} >= {"data", "runs", "metrics", "verdicts", "reports", "params.yaml"}
    schema = read_schema(out)
    assert schema.features == ["size", "rooms"]
    assert schema.rows == RowCounts(train=120, test=0)
    assert {key: target.family for key, target in schema.targets.items()} == {"price": "gaussian", "sold": "bernoulli"}
    shown = pd.read_csv(out / "runs/price/regression/coefficients.csv")
    known = exact.optimum(
        Rows(table[["size", "rooms"]].to_numpy(float), table["price"].to_numpy()), FAMILIES["gaussian"], ["s", "r"]
    )
    np.testing.assert_allclose(shown["estimate"], known.coefficients, rtol=1e-9)
    assert "predict price" in found.output
    assert "predict sold" in found.output
    assert str(Path("straightline-houses/reports/index.html")) in found.output
    assert yaml.safe_load((out / "params.yaml").read_text())["models"]["neural"]["hidden"] == [4]

    before = contents(out / "runs")
    with monkeypatch.context() as patched:
        trains_nothing(patched)
        again = invoke(*options, "--margin", "0.3", "--confidence", "0.9", "--delimiter", ",", *QUICK)
        assert again.exit_code == 0, again.output
        assert again.output.count("nothing to train") == 4
        assert "import of TensorFlow" not in again.output
        assert contents(out / "runs") == before
        assert read_json(out / "verdicts/price.json")["margin"] == 0.3
        assert read_json(out / "verdicts/price.json")["confidence"] == 0.9
        assert "verdict.margin=0.3 verdict.confidence=0.9" in (out / "command.txt").read_text()

        patched.setattr(publication, "publish", lambda _: raised(UserError("the store is full")))
        unpublished = invoke(*options, "--track", *QUICK)
        assert str(unpublished.exception) == "the store is full"
        assert "predict price" in unpublished.output

        refused = invoke("houses.csv", "--target", "sold", "--out", "straightline-houses", *QUICK)
        assert "straightline-houses: holds the answer to another question (price, sold in" in str(refused.exception)

    other = invoke("houses.csv", "--target", "price", "--features", "size", *QUICK)
    assert other.exit_code == 0, other.output
    assert "this answer goes to straightline-houses-price" in other.output
    assert read_schema(here / "straightline-houses-price").features == ["size"]
    assert contents(out / "runs") == before
    found = sorted(path.name for path in here.iterdir())
    assert found == ["houses.csv", "straightline-houses", "straightline-houses-price"]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def raised(error: Exception) -> NoReturn:
    raise error


def test_an_averaged_network_goes_all_the_way(here: Path) -> None:
    houses(here)
    fixed = ("models.neural.members=2", "models.neural.l2=0.001", "models.neural.learning_rate=0.01")
    options = ("houses.csv", "--target", "price", "--features", "size,rooms", "--track")
    found = invoke(*options, *fixed, "effort=standard", "reference=trees", *QUICK[2:])
    assert found.exit_code == 0, found.output
    out = here / "straightline-houses"
    chosen = "neural averages networks with hidden layers 4, learning rate 0.01 and L2 0.001; the mean share of the"
    assert chosen in " ".join(found.output.split())
    assert chosen in " ".join((out / "reports/index.html").read_text().split())
    assert read_json(out / "verdicts/price.json")["ledger"]["neural"]["fits"] == 6
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        ((tag,),) = database.execute("SELECT value FROM tags WHERE key = 'choice'").fetchall()
    assert tag.startswith(chosen)
    # The saved model is scored by evaluate: with the line in it, it explains nearly everything here.
    assert read_json(out / "metrics/price-neural.json")["r2"] > 0.9


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_a_table_may_come_from_standard_input(here: Path) -> None:
    content = houses(here).to_csv(index=False, sep="\t").encode("utf-16")
    options = ["run", "-", "--target", "price", "--exclude", "id", *QUICK]
    found = CliRunner().invoke(app, options, input=content)
    assert found.exit_code == 0, found.output
    out = here / "straightline-standard-input"
    assert "standard input: 96 training rows" in (out / "reports/report.md").read_text()
    assert (out / "command.txt").read_text().startswith("straightline run - --target price --exclude id ")
    assert not (out / "standard input").exists()
    assert read_schema(out).features == ["size", "rooms", "sold"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("none.csv", "--target", "price"), "none.csv: no such file"),
        (("s3://bucket/b.csv", "--target", "price"), "s3://bucket/b.csv: cannot be read (Install s3fs to access S3)"),
        (("houses.csv", "--target", "prize"), "has no column 'prize'; nearest: price"),
        (("houses.csv", "--target", "price", "--exclude", "key"), "data.exclude: has no column 'key'"),
        (("houses.csv", "--target", "price", "--categorical", "kind"), "data.categorical: has no column 'kind'"),
        (("houses.csv", "--target", "price", "--target", "price"), "--target: expected different columns"),
        (("houses.csv", "--target", "price", "--exclude", "sold", "models.neural.hiden=[4]"), "Could not override"),
        (("houses.csv", "--target", "price", "--exclude", "sold", "fit.epochs=no"), "fit.epochs: expected"),
        (
            ("houses.csv", "--target", "price", "--exclude", "sold", "--out", "full"),
            "full: exists and is not an output",
        ),
        (
            ("houses.csv", "--target", "sold", "--family", "gaussian", "--exclude", "id"),
            "has 2 different words (no, yes)",
        ),
        (("houses.csv", "--target", "price", "--exclude", "sold", "folds.k=60"), "96 training rows are too few for 60"),
        (
            ("rare.csv", "--target", "sold"),
            "the rarest class, 'yes', has 5 training rows, too few for 10 folds; set folds.k to 5",
        ),
        (("houses.csv", "--target", "size", "--delimiter", ";"), "has no column 'size'; its columns: size,rooms,id"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(here: Path, options: tuple[str, ...], told: str) -> None:
    table = houses(here)
    table.assign(sold=["yes" if row < 6 else "no" for row in range(120)]).to_csv(here / "rare.csv", index=False)
    (here / "full").mkdir()
    (here / "full/own.txt").write_text("mine")
    found = invoke(*options)
    assert isinstance(found.exception, UserError)
    assert told in str(found.exception)
    assert "\n" not in str(found.exception)
    assert sorted(path.name for path in here.rglob("*")) == ["full", "houses.csv", "own.txt", "rare.csv"]


def test_an_error_is_one_line_on_stderr_and_exit_status_2(here: Path) -> None:
    houses(here)
    command = (sys.executable, "-m", "straightline", "run", "houses.csv", "--target", "price", "folds.k=60")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    told = "96 training rows are too few for 60 folds; expected at least 120, or set folds.k"
    assert done.stderr == f"straightline: {told}\n"
    assert [path.name for path in here.iterdir()] == ["houses.csv"]


def test_a_category_that_only_held_out_rows_have_is_told(here: Path) -> None:
    table = houses(here)
    test = pd.read_parquet(_run_data(here, "houses.csv") / "data/test.parquet")
    table["kind"] = np.where(table["id"] % 3 == 0, "hut", "flat")
    table.loc[table["id"] == test["id"].iloc[0], "kind"] = "castle"
    table.to_csv(here / "castle.csv", index=False)
    warnings = read_schema(_run_data(here, "castle.csv")).warnings
    assert "kind: castle not in the training rows, taken as flat (held-out rows)" in warnings


def _run_data(here: Path, name: str) -> Path:
    from straightline.stages import data

    options = TableOptions(here / name, ["price"])
    root = here / Path(name).stem
    root.mkdir()
    (root / "params.yaml").write_text(table_settings(options))
    data.run(root)
    return root


def test_all_that_is_wrong_with_a_table_is_told_at_once(here: Path) -> None:
    (here / "bad.csv").write_text("a,b,c,y\n1,-inf,inf,5\n2,3,4,\n")
    found = invoke("bad.csv", "--target", "y")
    message = str(found.exception)
    for told in ("column 'b': expected finite", "column 'c': expected finite", "target 'y' is missing in 1"):
        assert told in message
    assert message.count("bad.csv") == 1


def test_names_with_commas_are_quoted() -> None:
    assert column_names('size, "price, net" ,rooms') == ["size", "price, net", "rooms"]
    assert column_names("") == []


def test_targets_get_keys_of_their_own() -> None:
    columns = ["price ($)", "price (%)", "€"]
    options = TableOptions(Path("t.csv"), columns)
    values = yaml.safe_load(table_settings(options))
    assert {key: own["column"] for key, own in values["targets"].items()} == {
        "price": "price ($)",
        "price_": "price (%)",
        "target": "€",
    }


@pytest.mark.parametrize(
    ("name", "rows", "family"),
    [
        ("diabetes", 442, "gaussian"),
        ("breast_cancer", 569, "bernoulli"),
        ("iris", 150, "multinomial"),
        ("fish", 147, "poisson"),
        ("injuries", 1475, "gamma"),
    ],
)
def test_examples_need_no_file_of_the_user(tmp_path: Path, name: str, rows: int, family: str) -> None:
    from straightline.stages import data

    (tmp_path / "params.yaml").write_text(compose.render(ROOT / "conf", [f"data={name}"]))
    data.run(tmp_path)
    schema = read_schema(tmp_path)
    assert schema.rows.train + schema.rows.test == rows
    assert [target.family for target in schema.targets.values()] == [family]
    assert (ROOT / load(tmp_path / "params.yaml").data.path).exists()


def test_the_examples_of_the_package_are_those_of_the_page() -> None:
    for path in examples.TABLES.iterdir():
        assert path.read_bytes() == (ROOT / "examples" / path.name).read_bytes()
