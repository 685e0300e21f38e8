"""A finished project's files: what they hold, what the page and the command line make of them, and MLflow."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.config.settings import load
from straightline.data.rows import Rows
from straightline.errors import UserError
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.regression.coefficients import agreeing_digits
from straightline.results import json_output
from straightline.results.files import load_results
from straightline.runtime.artifacts import md5, read_json
from straightline.stages import track, train
from straightline.tracking import identity
from tests.builders import small, user_table
from tests.conftest import run_stages

FOLDS = {
    "neural": "repeat,fold,seed,rows,train_rows,epochs,steps,method,loss,mean_loss",
    "regression": "repeat,fold,seed,rows,train_rows,epochs,steps,method,l2,loss,mean_loss,plain_loss",
}


class TestTrained:
    def test_every_file_of_a_variant(self, finished: Path) -> None:
        common = {"model.keras", "history.csv", "folds.csv", "weights.json", "learning.csv"}
        regression = common | {"coefficients.csv", "certificate.json"}
        for target in ("color", "num_balloons"):
            for model, names in (("regression", regression), ("neural", common | {"fold_history.csv"})):
                folder = finished / "runs" / target / model
                assert {path.name for path in folder.iterdir()} == names
                assert (folder / "folds.csv").read_text().splitlines()[0] == FOLDS[model]

    def test_the_band_of_the_folds_is_that_of_their_number(self, finished: Path) -> None:
        variant = load_results(finished).variants["color", "neural"]
        band, folds = variant.fold_history, variant.folds
        assert band is not None
        assert band["fits"].tolist() == [int((folds["epochs"] >= epoch).sum()) for epoch in band["epoch"]]
        assert len(band) == folds["epochs"].max()
        assert (band["low"] <= band["median"]).all()
        assert (band["median"] <= band["high"]).all()
        assert load_results(finished).variants["color", "regression"].fold_history is None

    def test_folds_are_the_same_for_every_model(self, finished: Path) -> None:
        columns = ["repeat", "fold", "rows", "train_rows", "mean_loss"]
        regression, neural = (
            pd.read_csv(finished / f"runs/color/{model}/folds.csv") for model in ("regression", "neural")
        )
        assert len(regression) == 3
        assert neural["seed"].tolist() == [0, 1] * 3
        pd.testing.assert_frame_equal(
            neural.loc[neural["seed"] == 0, columns].reset_index(drop=True), regression[columns]
        )
        assert set(regression["method"]) == {"exact"}
        assert set(neural["method"]) == {"network"}

    @pytest.mark.parametrize("target", ["color", "num_balloons"])
    def test_the_shipped_regression_is_the_exact_optimum(self, finished: Path, target: str) -> None:
        results = load_results(finished)
        schema = results.schema
        rows = pd.read_parquet(finished / "data/train.parquet")
        features, labels = rows[schema.features].to_numpy(), rows[target].to_numpy(float)
        best = exact.optimum(Rows(features, labels), results.family_of(target), schema.features)
        variant = results.variants[target, "regression"]
        model = keras.models.load_model(variant.folder / "model.keras", safe_mode=True)
        assert model.layers[-1].kernel.dtype == "float64"
        np.testing.assert_allclose(model.layers[-1].kernel.numpy()[:, 0], best.coefficients[1:], rtol=1e-12)
        assert variant.coefficients is not None
        np.testing.assert_allclose(variant.coefficients["estimate"], best.coefficients, rtol=1e-12)
        certificate = variant.certificate
        assert certificate is not None
        assert certificate.exact_loss == pytest.approx(best.loss, rel=1e-12)
        assert certificate.gap == pytest.approx(certificate.descent_loss - best.loss)
        assert certificate.gap >= 0

    def test_metrics_are_those_of_the_saved_predictions(self, finished: Path) -> None:
        results = load_results(finished)
        for (target, _), variant in results.variants.items():
            family = results.family_of(target)
            table = pd.read_parquet(variant.predictions)
            truth = pd.read_parquet(finished / "data/test.parquet")[target]
            assert table["truth"].tolist() == truth.tolist()
            assert variant.metrics["loss"] == pytest.approx(family.mean_loss(table["truth"], table["prediction"]))

    def test_verdicts_hold_the_promised_keys(self, finished: Path) -> None:
        verdict = read_json(finished / "verdicts/color.json")
        promised = {"target", "family", "loss", "answer", "finding", "baseline", "challenger", "margin", "confidence"}
        promised |= {"losses", "relative_gain", "relative_gain_interval", "probabilities", "rows", "folds", "repeats"}
        assert promised | {"seeds", "fits", "challengers", "advice"} <= verdict.keys()
        assert verdict["fits"] == {"regression": 3, "neural": 6}
        folds = pd.read_csv(finished / "runs/color/neural/folds.csv")
        assert verdict["losses"]["neural"] == pytest.approx(folds["loss"].mean())
        assert verdict["ledger"]["neural"]["steps"] == folds["steps"].sum()
        assert 0 <= verdict["spread"]["neural"]["seed_share"] <= 1
        assert verdict["spread"]["regression"]["between_seeds"] is None


@pytest.fixture(scope="module")
def own_project(tmp_path_factory: pytest.TempPathFactory, params: dict) -> Path:
    """scikit-learn's diabetes table in its own units, the target in thousands, all rows trained on."""
    from sklearn.datasets import load_diabetes

    root = tmp_path_factory.mktemp("own")
    table = load_diabetes(as_frame=True, scaled=False).frame
    table.assign(target=1000 * table["target"]).to_csv(root / "diabetes.csv", index=False)
    values = small(params, fit__epochs=1000, models__regression__finish="none", data__rows=None)
    values["data"] = user_table("diabetes.csv", "target", held_out=0.0)
    values["targets"] = {"target": {"column": "target", "family": "auto"}}
    run_stages(root, values, pictures=False)
    return root


class TestOwnTable:
    def test_descent_arrives_in_the_users_units(self, own_project: Path) -> None:
        variant = load_results(own_project).variants["target", "regression"]
        assert variant.certificate is not None
        assert variant.certificate.converged
        table = variant.coefficients
        assert table is not None
        known, reached = table["estimate"].to_numpy(), table["trained"].to_numpy()
        assert variant.certificate.digits == pytest.approx(agreeing_digits(reached, known))
        sure = table["std_error"] < 0.2 * table["estimate"].abs()
        np.testing.assert_allclose(table.loc[sure, "trained"], table.loc[sure, "estimate"], rtol=0.1)
        model = keras.models.load_model(variant.folder / "model.keras", safe_mode=True)
        np.testing.assert_allclose(model.layers[-1].kernel.numpy()[:, 0], table["trained"][1:], rtol=1e-12)

    def test_the_saved_network_takes_raw_columns(self, own_project: Path) -> None:
        variant = load_results(own_project).variants["target", "neural"]
        model = keras.models.load_model(variant.folder / "model.keras", safe_mode=True)
        assert model.layers[0].name == "standardization"
        table = pd.read_parquet(own_project / "data/train.parquet")
        predicted = keras.ops.convert_to_numpy(model(table.drop(columns="target").to_numpy()))[:, 0]
        mean = np.full(len(table), table["target"].mean())
        assert FAMILIES["gaussian"].mean_loss(table["target"], predicted) < 0.7 * FAMILIES["gaussian"].mean_loss(
            table["target"], mean
        )

    def test_without_held_out_rows_there_are_no_scores(self, own_project: Path) -> None:
        assert read_json(own_project / "metrics/target-neural.json") == {"rows": 0}
        assert "No rows were held out" in (own_project / "reports/index.html").read_text()
        assert json_output.as_dict(load_results(own_project))["targets"]["target"]["models"]["neural"]["held_out"] == {
            "rows": 0
        }


class TestCommandLine:
    def run(self, root: Path, *command: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "straightline", *command], cwd=root, check=False, capture_output=True, text=True
        )

    def shown(self, *options: str) -> str:
        """Return what `straightline show` prints of the project in the working directory."""
        found = CliRunner().invoke(app, ["show", *options])
        assert found.exit_code == 0, found.output
        return found.stdout

    def test_show(self, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(finished)
        shown = json.loads(self.shown("--json"))
        assert shown["targets"]["color"]["verdict"] == read_json(finished / "verdicts/color.json")
        text = self.run(finished, "show").stdout
        for word in ("a straight line", "children", "reports/index.html", "held-out", "parameters"):
            assert word in text

    def test_show_says_how_to_open_the_ui_that_is_there(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project)
        assert "MLflow UI" not in self.shown()
        (project / "mlflow.db").touch()
        assert "MLflow UI: straightline ui" in self.shown()
        (project / "Makefile").touch()
        assert "MLflow UI: make ui" in self.shown()

    def test_an_error_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        done = self.run(tmp_path, "show")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
        monkeypatch.chdir(tmp_path)
        for command in ("compose", "track"):
            error = CliRunner().invoke(app, [command]).exception
            assert isinstance(error, UserError)
            assert "\n" not in str(error)

    def test_a_missing_result_is_named(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(project)
        (project / "verdicts/color.json").unlink()
        assert "color.json: does not exist yet; run `dvc repro`" in str(CliRunner().invoke(app, ["show"]).exception)

    def test_a_failing_stage_is_one_line(self, project: Path) -> None:
        path = project / "params.yaml"
        path.write_text(path.read_text().replace("learning_rate: 0.003", "learning_rate: -1"))
        done = subprocess.run(
            [sys.executable, "-m", "straightline.stages.data"], cwd=project, check=False, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.startswith("data: params.yaml: models.regression.learning_rate: expected greater than 0")
        assert done.stderr.count("\n") == 1


def test_diverging_training_leaves_the_earlier_files(project: Path) -> None:
    path = project / "params.yaml"
    text = (
        path.read_text()
        .replace("learning_rate: 0.001", "learning_rate: 10.0")
        .replace("optimizer: adam", "optimizer: sgd")
    )
    path.write_text(text)
    assert load(path).fit.optimizer == "sgd"
    table = pd.read_parquet(project / "data/train.parquet")
    table["num_balloons"] *= 1e30
    table.to_parquet(project / "data/train.parquet")
    before = {file: file.read_bytes() for file in (project / "runs").rglob("*.*")}
    with pytest.raises(UserError, match="diverged"):
        train.run(project, "num_balloons", "neural")
    assert before == {file: file.read_bytes() for file in (project / "runs").rglob("*.*")}


@pytest.fixture(scope="module")
def tracked(finished: Path, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(shutil.copytree(finished, tmp_path_factory.mktemp("tracked") / "project"))
    shutil.copy(empty_store, root / "mlflow.db")
    track.run(root)
    return root


class TestMLflow:
    def runs(self, root: Path) -> dict[str, dict[str, list]]:
        """Read the live runs by name from the database itself, since MLflow keeps a deleted one open."""
        queries = {
            "status": "select status from runs where run_uuid = ?",
            "params": "select key, value from params where run_uuid = ? order by key",
            "metrics": "select key, step, value from metrics where run_uuid = ? order by key, step",
            "inputs": """select name, digest from inputs join datasets on dataset_uuid = source_id
                where destination_id = ? order by name""",
        }
        with closing(sqlite3.connect(root / "mlflow.db")) as database:
            live = database.execute("select run_uuid, name from runs where lifecycle_stage = 'active'").fetchall()
            assert len({name for _, name in live}) == len(live)
            return {
                name: {what: database.execute(query, (run,)).fetchall() for what, query in queries.items()}
                for run, name in live
            }

    def test_a_parent_and_a_child_for_each_variant(self, tracked: Path) -> None:
        runs = self.runs(tracked)
        assert len(runs) == 7
        trees = read_json(tracked / "verdicts/color.json")["reference"]
        assert runs["color / random forest"]["metrics"] == [("cross_validated_loss", 0, trees["loss"])]
        assert {run["status"][0][0] for run in runs.values()} == {"FINISHED"}
        history = load_results(tracked).variants["color", "neural"].history
        run = runs["color / neural"]
        for name in ("loss", "val_loss"):
            logged = [(step, value) for key, step, value in run["metrics"] if key == name]
            assert logged == list(zip(history["epoch"], history[name], strict=True))
        assert ("model.hidden", "[4]") in run["params"]
        assert run["inputs"] == [(part, md5(tracked / f"data/{part}.parquet")) for part in ("test", "train")]
        assert (tracked / "published.txt").read_text().strip() == identity.pipeline_hash(tracked)

    def test_again_adds_none_and_a_lost_store_is_restored(
        self, tracked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = self.runs(tracked)
        assert identity.is_published(tracked)
        track.run(tracked)
        told = capsys.readouterr().out
        assert "already" in told
        assert "to predict num_balloons" in told  # The last stage prints the answer, unless `make` does it.
        monkeypatch.setenv(track.PRINTED, "later")
        track.run(tracked)
        assert capsys.readouterr().out == "track: already in MLflow\n"
        assert self.runs(tracked) == before
        lost = Path(shutil.copytree(tracked, tmp_path / "project"))
        (lost / "mlflow.db").unlink()
        assert not identity.is_published(lost)
        track.run(lost)
        assert "4 runs published" in capsys.readouterr().out
        assert self.runs(lost) == before

    def test_an_interrupted_publication_is_made_whole(self, tracked: Path) -> None:
        before = self.runs(tracked)
        with closing(sqlite3.connect(tracked / "mlflow.db")) as database, database:
            database.execute("update runs set status = 'RUNNING' where name not like '% / %'")
            database.execute("update runs set lifecycle_stage = 'deleted' where name = 'color / neural'")
        assert not identity.is_published(tracked)
        track.run(tracked)
        assert self.runs(tracked) == before

    def test_models_load_by_mlflow_and_by_keras(self, tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import mlflow

        monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
        mlflow.set_tracking_uri(f"sqlite:///{tracked}/mlflow.db")
        rows = pd.read_parquet(tracked / "data/test.parquet")[["relationship", "children", "age"]].astype(float)
        for run in mlflow.search_runs(
            ["1"], filter_string="tags.target = 'color' and tags.`straightline.role` = 'variant'", output_format="list"
        ):
            uri = f"runs:/{run.info.run_id}/model"
            known = pd.read_parquet(tracked / f"predictions/color-{run.data.tags['model']}.parquet")["prediction"]
            served = mlflow.pyfunc.load_model(uri)
            np.testing.assert_array_equal(served.predict(rows)["probability of 1"], known)
            assert served.metadata.signature is not None
            assert served.metadata.saved_input_example_info is not None
            folder = Path(mlflow.artifacts.download_artifacts(uri))
            loaded = keras.models.load_model(folder / "data/model/model.keras", safe_mode=True)
            np.testing.assert_allclose(keras.ops.convert_to_numpy(loaded(rows.to_numpy()))[:, 0], known, rtol=1e-6)

    def test_an_unusable_store_costs_the_copy_only(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "mlflow.db").write_text("no database")
        track.run(project)
        out = capsys.readouterr().out
        assert "not published" in out
        assert "run `straightline track`" in out
        assert (project / "published.txt").exists()
