"""The identity of a pipeline's results, and whether MLflow already has them. This module does not import MLflow."""

import hashlib
import json
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from straightline.config.settings import load
from straightline.runtime.artifacts import md5
from straightline.runtime.folders import RESULT_FOLDERS

EXPERIMENT = "straightline"
PIPELINE_TAG = "straightline.pipeline"
ROLE_TAG = "straightline.role"
# MLflow's UI hides tags that start with "mlflow.".
PROCESS_TAG = "mlflow.straightline.process"  # the publishing process, to find runs that it left open


def published_files(root: Path) -> list[Path]:
    """Return the result files below `root`, sorted by path. Hidden files and README.md are no results."""
    return sorted(
        path
        for folder in RESULT_FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.name != "README.md"
    )


def pipeline_hash(root: Path) -> str:
    """Return a digest of the settings and of all result files; it does not depend on the machine or the folder."""
    digests = {path.relative_to(root).as_posix(): md5(path) for path in published_files(root)}
    settings = asdict(load(root / "params.yaml"))
    del settings["tracking"]
    content = json.dumps([settings, digests], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def store_home(root: Path) -> Path:
    """Return the folder of the default store.

    This is the project, or for an experiment that runs in another folder, the parent project (DVC_ROOT).
    """
    return Path(os.environ.get("DVC_ROOT") or root).resolve()


def store_uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI if it is set, else the URI of the SQLite database in `store_home`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store_home(root) / 'mlflow.db'}"


def shown_uri(root: Path) -> str:
    """Return `store_uri` with its password, if any, replaced by asterisks."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", store_uri(root))


def is_published(root: Path) -> bool:
    """Return whether an SQLite store has these results and no run that is still running.

    Returns False for any other store, which only MLflow can read.
    """
    query = """
        select 1 from runs
        join tags pipeline on pipeline.run_uuid = runs.run_uuid and pipeline.key = ? and pipeline.value = ?
        join tags role on role.run_uuid = runs.run_uuid and role.key = ? and role.value = 'pipeline'
        where runs.status = 'FINISHED' and runs.lifecycle_stage = 'active'
        and not exists (select 1 from runs where status = 'RUNNING' and lifecycle_stage = 'active')
    """
    return _first(root, query, (PIPELINE_TAG, pipeline_hash(root), ROLE_TAG)) is not None


def experiment_of(root: Path) -> str | None:
    """Return the id of this package's experiment in an SQLite store, or None if it is not there yet."""
    row = _first(root, "select experiment_id from experiments where name = ?", (EXPERIMENT,))
    return None if row is None else str(row[0])


def _first(root: Path, query: str, values: tuple[str, ...]) -> tuple[object, ...] | None:
    """Return the first row that a query of the SQLite store gives, or None: without a row, a store, or its tables."""
    uri = store_uri(root)
    database = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not database.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            row: tuple[object, ...] | None = connection.execute(query, values).fetchone()
            return row
    except sqlite3.Error:
        return None
