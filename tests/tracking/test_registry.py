"""The registry's champion, the files that MLflow keeps of a model, and a served one over HTTP."""

import json
import re
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities.model_registry import ModelVersion
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.commands import serve
from straightline.errors import UserError
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json, write_json
from straightline.serving import mlmodel
from straightline.serving.wheel import package_wheel
from straightline.stages import compare
from straightline.tracking import publication, registry
from tests.fake_project import write_project
from tests.servers import server


class TestPromotion:
    def test_the_first_version_is_the_champion(self) -> None:
        assert registry.promotion(0.5, 0.05, None) == (True, "the first version")
        assert registry.promotion(None, 0.05, None)[0]

    def test_without_held_out_losses_nothing_is_promoted(self) -> None:
        for loss, tags in ((None, {registry.LOSS: "0.5"}), (0.5, {})):
            promoted, reason = registry.promotion(loss, 0.05, tags)
            assert not promoted
            assert "held-out" in reason

    @given(before=st.floats(1e-9, 1e9), share=st.floats(0, 2).filter(lambda share: abs(share - 1.05) > 1e-6))
    def test_worse_by_more_than_the_margin_is_not_promoted(self, before: float, share: float) -> None:
        promoted, reason = registry.promotion(before * share, 0.05, {registry.LOSS: repr(before)})
        assert promoted == (share < 1.05)
        assert f"{before:.6g}" in reason

    def test_losses_of_another_family_promote_nothing(self) -> None:
        champion = {registry.LOSS: "0.5", registry.FAMILY: "gaussian"}
        reason = "not promoted: losses of poisson cannot be compared with those of the champion, gaussian"
        assert registry.promotion(0.1, 0.05, champion, "poisson") == (False, reason)
        assert registry.promotion(0.1, 0.05, champion, "gaussian")[0]
        assert registry.promotion(0.1, 0.05, {registry.LOSS: "0.5"}, "poisson")[0]


@contextmanager
def client_of(root: Path) -> Iterator[mlflow.MlflowClient]:
    mlflow.set_tracking_uri(f"sqlite:///{root}/mlflow.db")
    try:
        yield mlflow.MlflowClient()
    finally:
        mlflow.set_tracking_uri("")


def kept_files(client: mlflow.MlflowClient, version: ModelVersion) -> Path:
    """Return the folder of a version in the artifact store."""
    location = client.get_logged_model(version.source.removeprefix("models:/")).artifact_location
    return Path(location.removeprefix("file://"))


def changed(root: Path, target: str, model: str, factor: float) -> None:
    """Multiply a model's held-out loss, as other results would."""
    path = root / f"metrics/{target}-{model}.json"
    metrics = read_json(path)
    write_json(path, metrics | {"loss": metrics["loss"] * factor})


def test_each_targets_model_by_the_verdict_and_the_gate(tmp_path: Path, empty_store: Path) -> None:
    write_project(tmp_path, models=True)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    verdicts = {target: read_json(tmp_path / f"verdicts/{target}.json") for target in ("color", "num_balloons")}
    assert publication.publish(load_results(tmp_path)).count("champion (the first version)") == 2
    with client_of(tmp_path) as client:
        for target, verdict in verdicts.items():
            version = client.get_model_version_by_alias(f"balloons-{target}", "champion")
            chosen = {"yes": "regression", "undecided": "regression", "no": "neural"}[verdict["answer"]]
            assert version.tags["model"] == chosen
            assert version.tags["verdict"] == verdict["answer"]
            assert (
                float(version.tags["held_out_loss"]) == read_json(tmp_path / f"metrics/{target}-{chosen}.json")["loss"]
            )
            folder = kept_files(client, version)
            assert version.tags[registry.DIGEST] == mlmodel.digest_of(folder)
            digest = read_json(tmp_path / f"runs/{target}/{chosen}/weights.json")["digest"]
            assert read_json(folder / "data/model/model.json")["digest"] == digest
            model = mlflow.models.get_model_info(f"models:/balloons-{target}@champion")
            assert model.signature.inputs.input_names() == ["relationship", "children", "age"]
            assert model.saved_input_example_info is not None
    model = version.tags["model"]
    path = tmp_path / "params.yaml"
    path.write_text(path.read_text().replace("margin: 0.05", "margin: 0.06"))
    compare.run(tmp_path)
    assert publication.publish(load_results(tmp_path)).count("1: champion (as before; the model is the same)") == 2
    changed(tmp_path, "num_balloons", model, 1.2)
    told = publication.publish(load_results(tmp_path))
    assert "balloons-num_balloons 2: registered (not promoted: held-out loss" in told
    assert "balloons-color 1: champion (as before" in told
    with client_of(tmp_path) as client:
        assert client.get_model_version_by_alias("balloons-num_balloons", "champion").version == 1
        assert "not promoted" in client.get_model_version("balloons-num_balloons", "2").tags["promotion"]
    assert "already" in publication.publish(load_results(tmp_path))
    changed(tmp_path, "num_balloons", model, 0.85)  # 1.02 times the champion's, within the margin
    with client_of(tmp_path) as client:
        client.delete_logged_model(client.get_model_version("balloons-color", "1").source.removeprefix("models:/"))
    assert "balloons-color 2: champion (held-out loss" in publication.publish(load_results(tmp_path))
    with client_of(tmp_path) as client:
        assert client.get_model_version_by_alias("balloons-num_balloons", "champion").version == 3


def test_an_interrupted_publication_leaves_one_version(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path, models=True)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    register = registry.register

    def interrupted(client: Any, candidate: registry.Candidate) -> str:
        register(client, candidate)
        raise KeyboardInterrupt

    results = load_results(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(registry, "register", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publication.publish(results)
    publication.publish(load_results(tmp_path))
    with client_of(tmp_path) as client:
        for registered in client.search_registered_models():
            assert [one.version for one in client.search_model_versions(f"name = '{registered.name}'")] == [
                registered.aliases["champion"]
            ]


class TestMLmodel:
    @pytest.fixture(scope="class")
    def downloaded(self, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return a model's folder as MLflow keeps it."""
        root = tmp_path_factory.mktemp("published")
        write_project(root, models=True)
        shutil.copy(empty_store, root / "mlflow.db")
        publication.publish(load_results(root))
        with client_of(root):
            return Path(mlflow.artifacts.download_artifacts("models:/balloons-color@champion"))

    @pytest.fixture
    def kept(self, downloaded: Path, tmp_path: Path) -> Path:
        """Return a copy of it that a test may change."""
        return Path(shutil.copytree(downloaded, tmp_path / "model"))

    def test_it_has_no_pickle_and_no_code(self, kept: Path) -> None:
        mlmodel.require_ours(kept)
        files = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
        assert not [name for name in files if re.search(r"\.(pkl|pickle|py|pyc|pth)$", name)], files
        assert {"MLmodel", "data/model/model.keras", "data/model/model.json", "input_example.json"} <= files

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"loader_module": "mlflow.sklearn"}, "expected only the loader straightline.serving, got mlflow.sklearn"),
            ({"loader_module": "mlflow.keras"}, "expected only the loader straightline.serving, got mlflow.keras"),
            ({"code": "code"}, "brings code of its own"),
            ({"loader_module": None}, "expected only the loader"),
        ],
    )
    def test_any_other_loader_or_code_is_refused(self, kept: Path, change: dict, told: str) -> None:
        path = kept / "MLmodel"
        values = yaml.safe_load(path.read_text())
        values["flavors"]["python_function"] |= change
        path.write_text(yaml.safe_dump(values))
        with pytest.raises(UserError, match=told):
            mlmodel.require_ours(kept)

    def test_what_is_no_mlmodel_is_refused(self, kept: Path) -> None:
        for text in ("", "flavors: 3", "flavors: {python_function: {}}", "a: [", "flavors: {sklearn: {}}"):
            (kept / "MLmodel").write_text(text)
            with pytest.raises(UserError, match="expected an MLmodel"):
                mlmodel.require_ours(kept)

    def test_it_brings_the_package_that_loads_it(self, kept: Path) -> None:
        wheel = package_wheel()
        lines = (kept / "requirements.txt").read_text().splitlines()
        assert lines[-2:] == ["--find-links wheels", f"straightline[tensorflow]=={wheel.version}"]
        assert (kept / "wheels" / wheel.name).read_bytes() == wheel.content

    def test_a_changed_archive_is_not_loaded(self, kept: Path) -> None:
        (kept / "data/model/model.keras").write_bytes(b"other")
        with pytest.raises(UserError, match="its digest is"):
            mlflow.pyfunc.load_model(str(kept))


class TestServingOnlyWhatWasRegistered:
    @pytest.fixture
    def kept(self, empty_store: Path, tmp_path: Path) -> Path:
        """Return the folder in the artifact store with the champion's files."""
        write_project(tmp_path, models=True)
        shutil.copy(empty_store, tmp_path / "mlflow.db")
        publication.publish(load_results(tmp_path))
        with client_of(tmp_path) as client:
            return kept_files(client, client.get_model_version_by_alias("balloons-color", "champion"))

    def refused(self, root: Path) -> str:
        with pytest.raises(UserError) as caught:
            serve.run(root, "color", 1, with_token=False)
        return str(caught.value)

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "data/other").mkdir() or (folder / "data/other/model.keras").write_bytes(b"a"),
            lambda folder: (folder / "requirements.txt").write_text("other"),
            lambda folder: (folder / "data/model/model.json").unlink(),
            lambda folder: (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: mlflow.keras}}"),
            lambda folder: (folder / "data/model/model.json").rename(folder / "data/model/other.json"),
        ],
    )
    def test_a_changed_file_is_not_served(self, tmp_path: Path, kept: Path, change: Callable[[Path], Any]) -> None:
        change(kept)
        assert "a model that was changed is not served" in self.refused(tmp_path)

    def test_another_target_is_refused_with_those_that_can_be_served(self, tmp_path: Path, kept: Path) -> None:
        with client_of(tmp_path) as client:
            client.delete_registered_model_alias("balloons-num_balloons", registry.CHAMPION)
        for target, told in (
            ("colour", "--target: expected one of num_balloons, color, got colour; can be served: color"),
            (None, "--target: expected one of num_balloons, color, got none; can be served: color"),
            ("num_balloons", "no champion yet; run `straightline track` first; can be served: color"),
        ):
            with pytest.raises(UserError, match=told):
                serve.run(tmp_path, target, 1, with_token=False)

    def test_a_version_without_a_digest_is_not_served(self, tmp_path: Path, kept: Path) -> None:
        with client_of(tmp_path) as client:
            client.delete_model_version_tag("balloons-color", "1", registry.DIGEST)
        assert "registered without a digest of all its files" in self.refused(tmp_path)

    def test_a_link_is_no_file_of_a_model(self, kept: Path) -> None:
        (kept / "data/model/other").symlink_to("/etc/passwd")
        with pytest.raises(UserError, match="is a link"):
            mlmodel.digest_of(kept)


def post(
    url: str, content: Any, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """Return the status and the JSON that a POST answers."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    request = urllib.request.Request(url, body, {"Content-Type": kind} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of `straightline run` on a table with words, dates and gaps, published."""
    folder = tmp_path_factory.mktemp("words")
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "city": random.choice(["Rome", "Oslo", "Bonn"], 200),
            "size": np.where(random.random(200) < 0.1, np.nan, random.normal(size=200)),
            "rooms": random.integers(1, 5, 200),
            "built": pd.Timestamp("1990-01-01") + pd.to_timedelta(random.integers(0, 9000, 200), unit="D"),
        }
    )
    score = (table["city"] == "Rome") + table["size"].fillna(0) + table["rooms"] / 4 + random.normal(size=200)
    table["sold"] = np.where(score > score.median(), "yes", "no")
    table.to_parquet(folder / "homes.parquet")
    quick = ["fit.epochs=4", "folds.k=3", "folds.repeats=1", "folds.seeds=1"]
    arguments = ["run", str(folder / "homes.parquet"), "--target", "sold", "--out", str(folder / "out"), "--track"]
    found = CliRunner().invoke(app, [*arguments, *quick])
    assert found.exit_code == 0, found.output
    return folder / "out"


def test_the_champion_answers_over_http_as_the_pipeline_does(words: Path) -> None:
    test = pd.read_parquet(words / "data/test.parquet").drop(columns="sold")
    known = pd.read_parquet(words / "predictions/sold-regression.parquet")["prediction"]
    with server(words, "straightline", "serve", "--target", "sold", health="/ping") as url:
        rows = json.loads(test.to_json(orient="split", index=False, date_format="iso"))
        status, found = post(f"{url}/invocations", {"dataframe_split": rows})
        assert status == 200, found
        table = pd.DataFrame(found["predictions"])
        np.testing.assert_allclose(table["probability of yes"], known, atol=1e-6)
        assert list(table["sold"]) == ["yes" if value > 0.5 else "no" for value in known]
        one = {"city": "Paris", "size": None, "rooms": 2, "built": "2001-02-03"}
        assert post(f"{url}/invocations", {"dataframe_records": [one]})[0] == 200
        csv = test.head(3).to_csv(index=False).encode()
        status, found = post(f"{url}/invocations", csv, "text/csv")
        assert status == 200, found
        np.testing.assert_allclose(pd.DataFrame(found["predictions"])["probability of yes"], known[:3], atol=1e-6)
        for content, told in (
            ({"dataframe_records": [{name: one[name] for name in ("city", "size", "built")}]}, "rooms"),
            ({"dataframe_records": [one | {"rooms": "many"}]}, "rooms"),
            ({"dataframe_records": [one | {"rooms": None}]}, "rooms"),
            ({"dataframe_records": [one | {"built": "yesterday"}]}, "built"),
            ({"rows": [one]}, "dataframe_split"),
            (b"{", "JSON"),
            (b'{"dataframe_records": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "recursion"),
            (b'{"dataframe_records": [{"rooms": ' + b"9" * 5_000 + b"}]}", "digits"),
            ({"dataframe_records": [one | {"rooms": 1e300, "size": 1e300}]}, "rooms"),
            ({"dataframe_split": rows | {"columns": [*rows["columns"][:-1], rows["columns"][0]]}}, "that differ"),
            ({"dataframe_split": rows | {"data": [[*row, 1] for row in rows["data"]]}}, "row 1: expected 4 values"),
            (b'{"dataframe_records": 3}', ""),
            (b"3", ""),
            (b"", ""),
            (b"\xff", ""),
        ):
            status, answer = post(f"{url}/invocations", content)
            assert 400 <= status < 500, (content, answer)
            assert told in str(answer)
            assert "Traceback" not in str(answer)
            assert "stack_trace" not in str(answer)
        for body, kind, told in (
            (
                b"city,size,rooms,built\nx,Rome,1,2,2001-02-03\n",
                "text/csv",
                "row 1: expected 4 values as in the header",
            ),
            (",".join(f"c{number}" for number in range(20_000)).encode(), "text/csv", "at most 10,000 columns"),
            (b"PAR1", "application/x-parquet", "a small Parquet file may expand to any size"),
        ):
            status, answer = post(f"{url}/invocations", body, kind)
            assert (status, told in str(answer)) == (400, True), answer
        assert post(f"{url}/invocations", b"a", "image/png")[0] == 415
        for headers, expected in (
            ({"Host": "evil.example"}, 400),
            ({"Origin": "http://evil.example"}, 403),
        ):
            assert post(f"{url}/invocations", {"dataframe_records": [one]}, headers=headers)[0] == expected


def test_the_server_ends_while_a_request_waits(words: Path) -> None:
    with server(words, "straightline", "serve", "--target", "sold", health="/ping") as url:
        where = urlsplit(url)
        with socket.create_connection((str(where.hostname), int(where.port or 0))) as connection:
            head = "POST /invocations HTTP/1.1", "Host: localhost", "Content-Type: text/csv", "Content-Length: 9"
            connection.sendall("\r\n".join([*head, "", "half"]).encode())
            children = psutil.Process().children(recursive=True)
            living = [each for each in children if each.status() != psutil.STATUS_ZOMBIE]
            process = next(each for each in living if str(where.port) in each.cmdline())
            process.terminate()
            with suppress(psutil.ZombieProcess):  # It has ended, and `server` has not asked for its status yet.
                process.wait(timeout=60)
