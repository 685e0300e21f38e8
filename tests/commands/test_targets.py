"""Counts with an exposure, and several classes, on the command line: run, show, predict, MLflow, init."""

import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException
from typer.testing import CliRunner, Result

from straightline.__main__ import app
from straightline.errors import UserError
from straightline.results.files import load_results
from straightline.tracking import publication
from tests.builders import quick
from tests.conftest import ROOT, no_pictures
from tests.pages import blocks

QUICK = (*quick(hidden=4, epochs=4, k=3), "models.regression.l2=0")
PER_DAY, PER_AREA = (("--family", "poisson", "--exposure", column) for column in ("days", "sweptarea"))


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def printed(*arguments: str) -> str:
    """Return the output of a command that succeeds."""
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments: str) -> str:
    """Return the message of a command that is refused."""
    error = invoke(*arguments).exception
    assert isinstance(error, UserError)
    return str(error)


def table(rows: int = 90) -> pd.DataFrame:
    """Return visits in some days, which people write as `1,200 days`."""
    random = np.random.default_rng(0)
    age, days = random.normal(size=rows), random.integers(800, 5000, rows)
    return pd.DataFrame(
        {
            "age": age.round(3),
            "days": [f"{number:,} days" for number in days],
            "visits": random.poisson(days * np.exp(0.4 * age) / 1000),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of visits, of irises and of fish, and the answers to a question about each."""
    folder = tmp_path_factory.mktemp("targets")
    with pytest.MonkeyPatch.context() as patch, no_pictures():
        patch.chdir(folder)
        table().to_csv("visits.csv", index=False)
        printed("run", "visits.csv", "--target", "visits", *PER_DAY, *QUICK)
        printed("run", f"{ROOT}/examples/iris.csv", "--target", "species", *QUICK)
        printed("run", f"{ROOT}/examples/fish.csv", "--target", "totabund", *PER_AREA, *QUICK)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*/params.yaml"):
        path.write_text(path.read_text().replace(str(folder), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new_rows(**changes: object) -> pd.DataFrame:
    rows = table().drop(columns="visits").head(4).assign(**changes)
    rows.to_csv("new.csv", index=False)
    return rows


def predicted() -> pd.Series:
    printed("predict", "straightline-visits/runs/visits/regression", "new.csv", "--out", "out.csv")
    return pd.read_csv("out.csv", skip_blank_lines=False)["visits"]


def test_predictions_are_proportional_to_the_exposure_in_its_notation() -> None:
    new_rows(days="1,000 days")
    once = predicted()
    new_rows(days="3,000 days")
    np.testing.assert_allclose(predicted(), 3 * once, rtol=1e-12)
    new_rows(days=3000)
    np.testing.assert_allclose(predicted(), 3 * once, rtol=1e-12)


def test_a_row_without_exposure_gets_no_prediction() -> None:
    rows = new_rows()
    new_rows(days=[None, *rows["days"][1:]])
    assert predicted().isna().tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ("0 days", "exposure 'days', row 1: is 0; expected more than 0"),
        ("-5 days", "exposure 'days', row 1: is -5; expected more than 0"),
        ("soon", "column 'days', row 1: expected a number and the unit days, got 'soon'"),
        (None, "no row can be predicted: blank cells in 'days' (4)"),
    ],
)
def test_an_exposure_that_cannot_be_is_refused(days: str | None, told: str) -> None:
    new_rows(days=days)
    assert told in refused("predict", "straightline-visits", "new.csv")


def test_the_exposure_has_to_be_there() -> None:
    new_rows().drop(columns="days").to_csv("new.csv", index=False)
    assert "new.csv: has no column 'days'" in refused("predict", "straightline-visits", "new.csv")


def test_the_model_in_mlflow_takes_the_exposure(empty_store: Path) -> None:
    shutil.copy(empty_store, "straightline-visits/mlflow.db")
    publication.publish(load_results(Path("straightline-visits").resolve()))
    rows = new_rows(days=2000.0)
    printed("predict", "straightline-visits", "new.csv", "--out", "out.csv")
    mlflow.set_tracking_uri(f"sqlite:///{Path('straightline-visits').resolve()}/mlflow.db")
    try:
        model = mlflow.pyfunc.load_model("models:/visits-visits@champion")
    finally:
        mlflow.set_tracking_uri("")
    assert model.metadata.get_input_schema().input_names() == ["age", "days"]
    np.testing.assert_allclose(model.predict(rows)["visits"], pd.read_csv("out.csv")["visits"], rtol=1e-12)
    with pytest.raises(MlflowException, match="exposure 'days', row 1: is 0"):
        model.predict(rows.assign(days=0.0))


def documented(number: int) -> dict[str, Any]:
    """Return the names that a block of docs/how-to/models.md defines."""
    names: dict[str, Any] = {}
    exec(blocks("docs/how-to/models.md", "python")[number].text, names)
    return names


def test_plain_keras_gives_the_probabilities_of_the_classes_as_documented() -> None:
    pd.read_csv(ROOT / "examples/iris.csv").drop(columns="species").to_csv("new-flowers.csv", index=False)
    printed("predict", "straightline-iris/runs/species/regression", "new-flowers.csv", "--out", "out.csv")
    rows, names = pd.read_csv("out.csv"), documented(2)
    assert (rows["species"] == names["species"]).all()
    assert list(rows.columns) == ["species", *(f"probability of {name}" for name in names["classes"])]
    np.testing.assert_allclose(rows.iloc[:, 1:], names["probabilities"], atol=1e-6)  # Keras rounds to float32.
    np.testing.assert_allclose(rows.iloc[:, 1:].sum(axis="columns"), 1, rtol=1e-12)


def test_plain_keras_predicts_for_an_exposure_of_1_as_documented() -> None:
    pd.read_csv(ROOT / "examples/fish.csv").drop(columns="totabund").to_csv("new-trawls.csv", index=False)
    printed("predict", "straightline-fish/runs/totabund/regression", "new-trawls.csv", "--out", "out.csv")
    np.testing.assert_allclose(pd.read_csv("out.csv")["totabund"], documented(3)["fish"], rtol=1e-5)


@pytest.mark.parametrize(
    ("place", "told"),
    [("straightline-visits", "visits has counts, whose spread grows"), ("straightline-iris", "species has classes")],
)
def test_there_are_no_intervals_of_one_width(place: str, told: str) -> None:
    new_rows()
    assert told in refused("predict", place, "new.csv", "--interval", "0.9")


@pytest.mark.usefixtures("without_pictures")
def test_the_same_question_trains_nothing_again() -> None:
    told = printed("run", "visits.csv", "--target", "visits", *PER_DAY, *QUICK)
    assert told.count("unchanged since an earlier run") == 3
    assert "another question" not in told


def test_without_the_exposure_it_is_another_question() -> None:
    command = ("run", "visits.csv", "--target", "visits", "--family", "poisson", "--out", "straightline-visits")
    assert "straightline-visits: holds the answer to another question" in refused(*command)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--family", "poisson", "--offset", "days", "--exposure", "days"), "another column than that of the offset"),
        (("--family", "poisson", "--exposure", "visits"), "'visits' is a target, which no new row has"),
        (("--weights", "visits"), "'visits' is a target, which no new row has"),
        (("--exposure", "days"), "takes no offset or exposure; expected them for poisson and gamma only"),
        (("--family", "poisson", "--exposure", "day"), "has no column 'day'; nearest: days"),
        (("--family", "poisson", "--exposure", "name"), "exposure 'name', row 1: expected a number, got 'Ann'"),
        (("--family", "poisson", "--exposure", "born"), "exposure 'born': has dates, expected numbers"),
    ],
)
def test_a_column_that_cannot_belong_to_the_rows_is_refused(options: tuple[str, ...], told: str) -> None:
    table().assign(name="Ann", born="2001-02-03").to_csv("people.csv", index=False)
    assert told in refused("run", "people.csv", "--target", "visits", *options)


def test_a_project_has_the_settings_of_its_target() -> None:
    options = ("--exposure", "days", "--weights", "age", "--weights-are", "sampling")
    table().assign(age=2.0, size=range(90)).to_csv("visits.csv", index=False)
    printed("init", "visits.csv", "project", "--target", "visits", "--family", "poisson", *options)
    params = yaml.safe_load(Path("project/params.yaml").read_text())
    assert params["targets"] == {"visits": {"column": "visits", "family": "poisson", "exposure": "days"}}
    assert (params["data"]["weights"], params["data"]["weights_are"]) == ("age", "sampling")
