"""The server that `straightline ui` starts, probed over HTTP as an attacker's page or program would."""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from straightline.commands import ui
from straightline.errors import UserError
from straightline.results.files import load_results
from straightline.serving.guard import LIMIT, TOKEN, require_token
from straightline.tracking import identity, publication
from straightline.tracking.identity import shown_uri
from tests.fake_project import write_project
from tests.servers import server

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    write_project(root, models=True)
    publication.publish(load_results(root))
    return root


@pytest.fixture(scope="module")
def served(published: Path) -> Iterator[str]:
    with server(published, "straightline", "ui", health="/health") as url:
        yield url


def ask(
    url: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Return status and content; `headers` replace the usual ones, such as Host."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in (headers or {}))
        for name, value in ({"Content-Length": str(len(body or b""))} | (headers or {})).items():
            connection.putheader(name, value)
        connection.endheaders()
        if body:
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


SEARCH = json.dumps({"max_results": 5}).encode()
JSON = {"Content-Type": "application/json"}


def test_its_address_opens_the_runs_of_the_experiment(published: Path, served: str, tmp_path: Path) -> None:
    experiments = json.loads(ask(served, "POST", f"{API}/experiments/search", SEARCH, JSON)[1])["experiments"]
    (ours,) = (experiment["experiment_id"] for experiment in experiments if experiment["name"] == "straightline")
    assert f"{urlsplit(served).port}/#/experiments/{ours}/runs (Ctrl-C" in (published / "server.log").read_text()
    assert identity.experiment_of(tmp_path) is None


def test_it_answers_its_own_page(served: str) -> None:
    assert ask(served, "GET", "/graphql")[0] == 405
    status, page = ask(served, "GET", "/")
    assert status == 200
    assert b"MLflow" in page
    own = JSON | {"Origin": served}
    status, found = ask(served, "POST", f"{API}/experiments/search", SEARCH, own)
    assert status == 200
    assert any(one["name"] == "straightline" for one in json.loads(found)["experiments"])


@pytest.mark.parametrize("host", ["10.evil.example", "evil.example", "192.168.0.1", "localhost.evil.example", ""])
def test_another_host_header_is_refused(served: str, host: str) -> None:
    port = urlsplit(served).port
    for shown in (host, f"{host}:{port}"):
        for method, path in (("GET", "/"), ("POST", f"{API}/experiments/search")):
            assert ask(served, method, path, SEARCH, JSON | {"Host": shown})[0] in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://10.evil.example:5000", "null", "http://localhost:9"])
def test_a_post_from_another_page_is_refused(served: str, origin: str) -> None:
    body = json.dumps({"name": "theirs"}).encode()
    for kind in ("application/json", "text/plain"):
        headers = {"Content-Type": kind, "Origin": origin}
        assert ask(served, "POST", f"{API}/experiments/create", body, headers)[0] == 403
    found = ask(served, "POST", f"{API}/experiments/search", SEARCH, JSON)[1]
    assert "theirs" not in {one["name"] for one in json.loads(found)["experiments"]}


@pytest.mark.parametrize(
    "path", ["../../../../../../etc/passwd", "/etc/passwd", "files/../../../../../../etc/passwd", "//etc/passwd"]
)
@pytest.mark.parametrize(
    "written", [quote, lambda path: quote(path, safe=""), lambda path: quote(quote(path, safe=""))]
)
def test_no_file_outside_the_artifacts_is_read(served: str, path: str, written: object) -> None:
    found = ask(served, "POST", f"{API}/runs/search", json.dumps({"experiment_ids": ["1"]}).encode(), JSON)[1]
    run = json.loads(found)["runs"][0]["info"]["run_id"]
    text = written(path)  # type: ignore[operator]
    for address in (
        f"/get-artifact?run_id={run}&path={text}",
        f"/ajax-api/2.0/mlflow/artifacts/list?run_id={run}&path={text}",
        f"/api/2.0/mlflow-artifacts/artifacts/{text}",
        f"/api/2.0/mlflow-artifacts/artifacts?path={text}",
        f"/static-files/{text}",
    ):
        status, content = ask(served, "GET", address)
        assert b"root:" not in content, address
        if status < 400:  # nothing is found there, or a path without its ".." is the page itself
            assert b"<!doctype html>" in content.lower() or json.loads(content).get("files", []) == [], (
                address,
                content,
            )


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_request_writes_a_file_of_a_model(served: str, published: Path) -> None:
    before = files_of(published / "mlartifacts")
    mlmodel = next(path for path in (published / "mlartifacts").rglob("MLmodel"))
    place = mlmodel.relative_to(published / "mlartifacts").as_posix()
    run = mlmodel.parts[-3]
    for prefix in ("/api/2.0", "/ajax-api/2.0"):
        for method, path in (
            ("PUT", f"{prefix}/mlflow-artifacts/artifacts/{place}"),
            ("PUT", f"{prefix}/mlflow-artifacts/artifacts/{place}.other"),
            ("PUT", f"{prefix}/mlflow-artifacts/artifacts/{quote(place, safe='')}"),
            ("DELETE", f"{prefix}/mlflow-artifacts/artifacts/{place}"),
            ("POST", f"{prefix}/mlflow-artifacts/mpu/create/{place}"),
            ("POST", f"{prefix}/mlflow-artifacts/mpu/complete/{place}"),
            ("POST", f"{prefix}/mlflow/upload-artifact?run_uuid={run}&path=MLmodel"),
            ("POST", f"{prefix}/mlflow/artifacts/presigned-upload-url"),
            ("POST", f"{prefix}/mlflow/logged-models"),
            ("DELETE", f"{prefix}/mlflow/logged-models/{run}"),
        ):
            assert ask(served, method, path, b"other")[0] == 403, path
    assert files_of(published / "mlartifacts") == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "registered-models/create"),
        ("POST", "registered-models/rename"),
        ("DELETE", "registered-models/delete"),
        ("POST", "model-versions/create"),
        ("POST", "model-versions/set-tag"),
        ("DELETE", "model-versions/delete-tag"),
        ("DELETE", "model-versions/delete"),
        ("POST", "webhooks"),
        ("POST", "runs/create-promptlab-run"),
        ("POST", "runs/log-model"),
        ("POST", "prompt-optimization/jobs"),
    ],
)
def test_the_registry_cannot_be_given_another_model(served: str, method: str, path: str) -> None:
    for prefix in ("/api/2.0", "/ajax-api/2.0", "/api/3.0"):
        body = json.dumps({"name": "balloons-color", "version": "1", "key": "files_digest", "value": "theirs"}).encode()
        assert ask(served, method, f"{prefix}/mlflow/{path}", body, JSON)[0] == 403
        assert ask(served, method, f"{prefix}//mlflow/{path}", body, JSON)[0] in (403, 404)
        assert ask(served, method, f"{prefix}/mlflow/runs/../{path}", body, JSON)[0] in (403, 404)


@pytest.mark.parametrize("name", ["artifact_location", "artifactLocation"])
def test_an_experiment_has_no_location_of_its_own(served: str, name: str, tmp_path: Path) -> None:
    for number, body in enumerate(({name: tmp_path.as_uri()}, json.dumps({name: "/etc"}))):
        content = json.dumps(body if isinstance(body, str) else body | {"name": f"theirs {name} {number}"}).encode()
        assert ask(served, "POST", f"{API}/experiments/create", content, JSON)[0] == 403
    usual = json.dumps({"name": f"ours {name}"}).encode()
    assert ask(served, "POST", f"{API}/experiments/create", usual, JSON)[0] == 200


def test_what_people_do_in_the_page_works(served: str) -> None:
    found = ask(served, "POST", f"{API}/runs/search", json.dumps({"experiment_ids": ["1"]}).encode(), JSON)[1]
    run = json.loads(found)["runs"][0]["info"]["run_id"]
    alias = {"name": "balloons-color", "alias": "mine", "version": "1"}
    for path, body in (
        ("runs/set-tag", {"run_id": run, "key": "note", "value": "good"}),
        ("runs/update", {"run_id": run, "run_name": "renamed"}),
        ("registered-models/alias", alias),
        ("logged-models/search", {"experiment_ids": ["1"]}),
    ):
        assert ask(served, "POST", f"{API}/{path}", json.dumps(body).encode(), JSON)[0] == 200, path


def test_with_a_token_nothing_is_answered_without_it(published: Path) -> None:
    with server(published, "straightline", "ui", "--token", health="/health", environment={TOKEN: "a secret"}) as url:
        assert "/?token=a%20secret" in (published / "server.log").read_text()
        for headers in ({}, {"Authorization": "Bearer other"}, {"Cookie": "straightline_token=other"}):
            for method, path in (("GET", "/"), ("POST", f"{API}/experiments/search"), ("GET", "/?token=other")):
                assert ask(url, method, path, SEARCH, JSON | headers)[0] == 401
        status, _ = ask(url, "POST", f"{API}/experiments/search", SEARCH, JSON | {"Authorization": "Bearer a secret"})
        assert status == 200
        with closing(http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=60)) as connection:
            connection.request("GET", "/?token=a%20secret")
            answer = connection.getresponse()
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert ask(url, "GET", "/", headers={"Cookie": cookie.partition(";")[0]})[0] == 200
        log = (published / "server.log").read_text()
        assert log.count("secret") == 1, log
        assert '"GET / HTTP/1.1" 303' in log


def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "")
    assert len(require_token()) > 20
    assert os.environ[TOKEN] == require_token()


def test_a_token_needs_a_loopback_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    with pytest.raises(UserError, match="--token: expected a --host that only this machine reaches"):
        ui.run(tmp_path, 5000, "192.168.0.7", with_token=True)


def test_a_large_body_is_refused_before_it_is_read(served: str) -> None:
    path = f"{API}/experiments/search"
    assert ask(served, "POST", path, None, JSON | {"Content-Length": str(LIMIT + 1)})[0] == 413
    chunked = JSON | {"Transfer-Encoding": "chunked"}
    assert ask(served, "POST", f"{API}/experiments/search", b"0\r\n\r\n", chunked)[0] in (400, 411)
    assert ask(served, "POST", f"{API}/experiments/search", None, JSON | {"Content-Length": "many"})[0] == 400


def test_the_assistant_is_off(served: str) -> None:
    for method, path in (("POST", "message"), ("PUT", "config"), ("POST", "skills/install"), ("GET", "providers")):
        assert ask(served, method, f"/ajax-api/3.0/mlflow/assistant/{path}", b"{}", JSON)[0] == 404


def test_jobs_are_off(served: str) -> None:
    assert ask(served, "POST", "/ajax-api/3.0/jobs/", b'{"job_name": "a", "params": {}}', JSON)[0] == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "127.0.0.1.example.org"])
def test_an_address_that_others_reach_wants_a_password(tmp_path: Path, host: str) -> None:
    with pytest.raises(UserError, match=r"other machines can reach .*; expected 127\.0\.0\.1, or MLFLOW_AUTH"):
        ui.run(tmp_path, 5000, host, with_token=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_loopback_addresses_want_none(host: str) -> None:
    assert ui.is_loopback(host)


def test_a_server_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"the runs are at http://127\.0\.0\.1:9"):
        ui.run(tmp_path, 5000, "127.0.0.1", with_token=False)


def test_a_password_in_the_address_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, shown in (
        ("postgresql://team:se:cret@db:5432/runs", "postgresql://team:***@db:5432/runs"),
        ("http://team:secret@127.0.0.1:9", "http://team:***@127.0.0.1:9"),
        ("http://127.0.0.1:9/a:b@c", "http://127.0.0.1:9/a:b@c"),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert shown_uri(tmp_path) == shown
