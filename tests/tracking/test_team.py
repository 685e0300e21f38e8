"""A team's set-up: a real MLflow server with passwords on a real PostgreSQL, and a DVC remote with a second clone."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from tests.commands.test_init import AUTHOR, experiment
from tests.servers import free_port, server

pytestmark = pytest.mark.slow
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a new PostgreSQL database, whose server ends with the test."""
    if not BINARIES:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql; .ci/run installs Debian's package")
    # Not below pytest's own folder, which each session of pytest closes to other users again.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        yield from _postgres(Path(folder))


def _postgres(folder: Path) -> Iterator[str]:
    own = [] if os.getuid() else ["runuser", "-u", "postgres", "--"]  # PostgreSQL does not run as root
    if own:
        shutil.chown(folder, "postgres")
    password, port = secrets.token_hex(16), free_port()
    (folder / "password").write_text(password)
    (folder / "password").chmod(0o644)

    def run(*words: str) -> None:
        subprocess.run([*own, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=120)

    run(str(BINARIES[-1] / "initdb"), "-D", "data", "-U", "team", "--auth=scram-sha-256", "--pwfile=password")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    run(str(BINARIES[-1] / "pg_ctl"), "-D", "data", "-l", "log", "-w", "-o", options, "start")
    try:
        yield f"postgresql://team:{password}@127.0.0.1:{port}/postgres"
    finally:
        run(str(BINARIES[-1] / "pg_ctl"), "-D", "data", "-m", "immediate", "stop")


class Clone:
    """A project's folder and the environment that its commands run in."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self.root = root
        self.environment = environment

    def run(self, *words: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "MLFLOW_"))}
        found = subprocess.run(
            words,
            cwd=self.root,
            env=kept | AUTHOR | {"PATH": path} | self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout + found.stderr


def published(uri: str) -> pd.DataFrame:
    """Return the runs that MLflow tells of at `uri`, without what differs from publication to publication."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        found = pd.DataFrame(mlflow.search_runs(search_all_experiments=True))
    finally:
        mlflow.set_tracking_uri("")
    runs = pd.read_json(StringIO(found.to_json()), dtype=False).set_index("tags.mlflow.runName").sort_index()
    own = ("run_id", "experiment_id", "artifact_uri", "start_time", "end_time", "tags.mlflow.parentRunId")
    seconds = ("tags.mlflow.user", "metrics.train_seconds", "tags.mlflow.straightline.process", "tags.DVC_STAGE")
    return runs.drop(columns=[*own, *seconds], errors="ignore").sort_index(axis=1)


def test_a_second_clone_has_the_same_runs_and_a_wrong_password_none(
    postgres: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": secrets.token_hex(12)}
    secret = {
        "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin["MLFLOW_TRACKING_PASSWORD"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes that nothing here asks of
    }
    store = ("--backend-store-uri", postgres, "--artifacts-destination", str(tmp_path / "artifacts"))
    options = (*store, "--app-name", "basic-auth", "--workers", "1", "--host", "127.0.0.1")
    (tmp_path / "server").mkdir()
    # Without it each of hundreds of requests hashes the password anew, half a second each.
    config = tmp_path / "server/auth.ini"
    config.write_text(
        """
        [mlflow]
        default_permission = READ
        database_uri = sqlite:///auth.db
        auth_cache_ttl_seconds = 60
    """.replace("        ", "")
    )
    secret["MLFLOW_AUTH_CONFIG_PATH"] = str(config)
    with server(tmp_path / "server", "mlflow", "server", *options, health="/health", environment=secret) as url:
        team = admin | {"MLFLOW_TRACKING_URI": url}
        for name, value in admin.items():
            monkeypatch.setenv(name, value)
        first = Clone(tmp_path / "first", team)
        experiment(tmp_path_factory, first.root)
        first.run("dvc", "remote", "add", "--default", "team", str(tmp_path / "remote"))
        output = first.run("dvc", "repro", "--force", "--single-item", "track")
        assert f"2 runs published to {url}" in output, output
        assert "champion (the first version)" in output
        first.run("git", "add", "--all")
        first.run("git", "commit", "-qm", "settings and results")
        first.run("dvc", "push")
        known = published(url)
        assert len(known) == 3

        first.run("git", "clone", "-q", str(first.root), str(tmp_path / "second"))
        second = Clone(tmp_path / "second", team)
        second.run("dvc", "pull")
        assert "already in MLflow" in second.run("straightline", "track")
        pd.testing.assert_frame_equal(published(url), known)

        # The experiment's own store, on this machine, has the same runs.
        where = ["tags.mlflow.source.git.commit", "tags.DVC_EXP_NAME"]  # it was published from
        alone = published(f"sqlite:///{first.root}/mlflow.db")
        own, known = (runs.drop(columns=where, errors="ignore") for runs in (alone, known))
        pd.testing.assert_frame_equal(own, known)

        stranger = Clone(second.root, team | {"MLFLOW_TRACKING_PASSWORD": "guessed"})
        (second.root / "metrics/a_year_later-neural.json").write_text('{"rows": 0}')
        found = subprocess.run(
            [sys.executable, "-m", "straightline", "track"],
            cwd=second.root,
            env=os.environ | dict(stranger.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert found.returncode == 2
        assert "cannot be used" in found.stderr
        assert "401" in found.stderr
        assert found.stderr.count("\n") == 1
    assert any((tmp_path / "artifacts").rglob("model.keras"))
