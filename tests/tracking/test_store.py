"""MLflow's store elsewhere, as far as a server of a few lines shows it; `test_team.py` has a real one."""

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from straightline.errors import UserError
from straightline.tracking import store


class Refusing(BaseHTTPRequestHandler):
    """A server that knows no password."""

    def do_GET(self) -> None:
        self.send_error(401)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_wrong_password_is_one_line(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "team")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "guessed")
    with (
        pytest.raises(UserError, match=f"MLflow's store {address} cannot be used: .*401") as caught,
        store.opened(tmp_path),
    ):
        raise AssertionError
    assert "\n" not in str(caught.value)
    assert "guessed" not in str(caught.value)


def test_without_a_commit_a_repository_or_git_results_are_published_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = "mlflow.source.git.commit"
    assert tag not in store.environment_tags(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert tag not in store.environment_tags(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tag not in store.environment_tags(tmp_path)
