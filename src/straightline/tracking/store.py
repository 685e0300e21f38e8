"""Access to MLflow's store: for one publisher at a time, with errors as one line, and with runs that always end."""

import logging
import os
import sqlite3
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextlib import closing as closing_connection
from pathlib import Path
from typing import Any

from filelock import FileLock

from straightline.config.composition import flattened
from straightline.errors import UserError
from straightline.runtime.backend import import_mlflow
from straightline.runtime.leftovers import is_dead, signature
from straightline.tracking.identity import EXPERIMENT, PROCESS_TAG, shown_uri, store_home, store_uri

import_mlflow()

import mlflow
from mlflow.entities import Param
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

LOCKED_SECONDS = 30  # seconds to wait for another writer of the database


@contextmanager
def opened(
    root: Path, alone: bool = True, later: str = "repair it, then run `straightline track`"
) -> Iterator[tuple[MlflowClient, str]]:
    """Yield a client of the store of the project `root`, and the id of this package's experiment.

    With `alone`, other publishers wait until the block ends. Raises UserError if the store cannot be reached or
    written; `later` is its advice to the user.
    """
    uri, home = store_uri(root), store_home(root)
    try:
        with _quietly(), ExitStack() as held, _store(uri):
            # MLflow creates the tables when it first uses a database; two processes at once would damage them.
            lock = held.enter_context(FileLock(_lock(uri, home)))
            _require_writable(uri)
            client = MlflowClient()
            experiment = _experiment(client, uri)
            _close_dead(client, experiment)
            if not alone:
                lock.release()
            yield client, experiment
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"MLflow's store {shown_uri(root)} cannot be used: {reason}; {later}") from None


@contextmanager
def closing(client: MlflowClient, run: str, success: str = "FINISHED") -> Iterator[None]:
    """End `run` however the block ends: with the status `success`, KILLED after an interrupt, or FAILED."""
    status = "FAILED"
    try:
        yield
        status = success
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        client.set_terminated(run, status)


def params(values: Mapping[str, Any]) -> list[Param]:
    """Return nested settings as MLflow params with dotted keys."""
    return [Param(key, str(value)[:6000]) for key, value in flattened(values).items()]


def environment_tags(root: Path) -> dict[str, str]:
    """Return tags on the origin of results: the git commit, DVC's stage and experiment, and the publishing process."""
    tags = {name: os.environ[name] for name in ("DVC_STAGE", "DVC_EXP_NAME") if os.environ.get(name)}
    tags[PROCESS_TAG] = signature()
    commit = _commit(root)
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _commit(root: Path) -> str:
    """Return the git commit of `root`, or an empty text without one, without a repository, or without git."""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def _lock(uri: str, home: Path) -> Path:
    """Return the lock that all publishers to `uri` on this machine share."""
    is_file = uri.startswith("sqlite:///")
    folder, name = (_database(uri).parent, _database(uri).stem) if is_file else (home, "mlflow")
    return folder / ".straightline" / f"{name}.lock"


def _close_dead(client: MlflowClient, experiment: str) -> None:
    """Mark as KILLED the runs that killed processes of this machine left RUNNING."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        if is_dead(run.data.tags.get(PROCESS_TAG, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _require_writable(uri: str) -> None:
    """Raise sqlite3.Error if a database cannot be written; MLflow itself would try to open it for 100 seconds."""
    if not uri.startswith("sqlite:///"):
        return
    with closing_connection(sqlite3.connect(_database(uri), timeout=LOCKED_SECONDS)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (check,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if check != "ok":
        raise sqlite3.DatabaseError(f"the file is damaged ({check}); restore it, or move it away for a new one")


@contextmanager
def _quietly() -> Iterator[None]:
    for name in ("mlflow", "alembic", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _store(uri: str) -> Iterator[None]:
    # MLflow keeps the address in the environment, where a later publication of another project would use it.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before or "")


def _experiment(client: MlflowClient, uri: str) -> str:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        return str(experiment.experiment_id)
    location = (_database(uri).parent / "mlartifacts").as_uri() if uri.startswith("sqlite:///") else None
    return str(client.create_experiment(EXPERIMENT, artifact_location=location))


def _database(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///")).resolve()
