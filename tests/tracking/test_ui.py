"""The server that `straightline ui` starts, probed over HTTP as an attacker's page or program would."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from straightline.commands import ui
from straightline.errors import UserError
from straightline.results.files import load_results
from straightline.serving.ui_app import ARTIFACT_LIMIT, LIMIT
from straightline.tracking import publication
from straightline.tracking.identity import shown_uri
from tests.fake_project import write_project
from tests.servers import server

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("served")
    write_project(root, models=True)
    publication.publish(load_results(root))
    with server(root, "straightline", "ui", health="/health") as url:
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


def test_it_answers_its_own_page(served: str) -> None:
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


def test_a_model_of_any_folder_is_not_registered(served: str) -> None:
    ask(served, "POST", f"{API}/registered-models/create", b'{"name": "theirs"}', JSON)
    for source in ("/etc", "file:///etc", "file:///etc/../etc"):
        body = json.dumps({"name": "theirs", "source": source}).encode()
        assert 400 <= ask(served, "POST", f"{API}/model-versions/create", body, JSON)[0] < 500


def test_a_large_body_is_refused_before_it_is_read(served: str) -> None:
    artifact = "/api/2.0/mlflow-artifacts/artifacts/large"
    for path, limit in ((f"{API}/experiments/search", LIMIT), (artifact, ARTIFACT_LIMIT)):
        assert ask(served, "POST", path, None, JSON | {"Content-Length": str(limit + 1)})[0] == 413
    chunked = JSON | {"Transfer-Encoding": "chunked"}
    assert ask(served, "POST", f"{API}/experiments/search", b"0\r\n\r\n", chunked)[0] in (400, 411)
    assert ask(served, "POST", f"{API}/experiments/search", None, JSON | {"Content-Length": "many"})[0] == 400


def test_the_assistant_is_off(served: str) -> None:
    for method, path in (("POST", "message"), ("PUT", "config"), ("POST", "skills/install"), ("GET", "providers")):
        assert ask(served, method, f"/ajax-api/3.0/mlflow/assistant/{path}", b"{}", JSON)[0] == 404


def test_jobs_are_off(served: str) -> None:
    assert ask(served, "POST", "/ajax-api/3.0/jobs/", b'{"job_name": "a", "params": {}}', JSON)[0] >= 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "127.0.0.1.example.org"])
def test_an_address_that_others_reach_wants_a_password(tmp_path: Path, host: str) -> None:
    with pytest.raises(UserError, match=r"other machines can reach .*; expected 127\.0\.0\.1, or MLFLOW_AUTH"):
        ui.run(tmp_path, 5000, host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1.2.3", "::1"])
def test_loopback_addresses_want_none(host: str) -> None:
    assert ui.is_loopback(host)


def test_a_server_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"the runs are at http://127\.0\.0\.1:9"):
        ui.run(tmp_path, 5000, "127.0.0.1")


def test_a_password_in_the_address_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, shown in (
        ("postgresql://team:se:cret@db:5432/runs", "postgresql://team:***@db:5432/runs"),
        ("http://team:secret@127.0.0.1:9", "http://team:***@127.0.0.1:9"),
        ("http://127.0.0.1:9/a:b@c", "http://127.0.0.1:9/a:b@c"),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert shown_uri(tmp_path) == shown
