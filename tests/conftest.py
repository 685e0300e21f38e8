"""Fixtures: a small finished project, made by the real stages without DVC."""

from straightline.runtime.processor import use_common_instructions

use_common_instructions()  # before a test imports NumPy

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from hypothesis import settings

from tests.builders import small

ROOT = Path(__file__).parent.parent
LONGEST = ("test_pipeline.py", "test_sweep.py", "test_live.py", "test_faults.py", "test_repro.py", "test_team.py")


def pytest_configure(config: pytest.Config) -> None:
    """Draw fewer examples for hypothesis where slow tests are left out."""
    settings.register_profile("fast", max_examples=15, deadline=None)
    settings.register_profile("whole", max_examples=200, deadline=None)
    settings.load_profile("fast" if config.option.markexpr == "not slow" else "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that none of two workers is left alone with one in the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def oracles() -> dict:
    return json.loads((ROOT / "tests/reference/oracles.json").read_text())


@pytest.fixture(scope="session")
def params() -> dict:
    """The committed params.yaml."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder `name`, which `make` fills once for all workers; a test that changes it copies it."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    made = folder.with_suffix(".made")
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            shutil.rmtree(folder)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, params: dict) -> Path:
    """A finished project; tests copy it before they change it."""
    return shared(tmp_path_factory, "finished", lambda root: run_stages(root, small(params)))


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which MLflow has made its tables, which takes it seconds; tests copy it as mlflow.db."""
    return shared(tmp_path_factory, "store", _make_store) / "mlflow.db"


def _make_store(folder: Path) -> None:
    from straightline.tracking import store

    with store.opened(folder):
        pass
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        # Our experiment has the absolute path of its artifacts, so that each copy makes its own.
        for table in ("experiment_tags", "experiments"):
            database.execute(f"DELETE FROM {table} WHERE experiment_id != 0")


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake project with its report; tests copy it before they change it."""
    return shared(tmp_path_factory, "reported", _report)


def _report(root: Path) -> None:
    from straightline.stages import report
    from tests.fake_project import write_project

    write_project(root)
    report.run(root)


@contextmanager
def no_pictures() -> Iterator[None]:
    """Within it the report's pictures are empty: to draw them takes longer than everything else for a small table."""
    from straightline.report.pictures import canvas

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(canvas, "svg", lambda *_: "<svg></svg>")
        patched.setattr(canvas, "png", lambda *_: b"")
        yield


@pytest.fixture
def without_pictures() -> Iterator[None]:
    """For tests that read no picture of the report."""
    with no_pictures():
        yield


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def run_stages(root: Path, values: dict, pictures: bool = True) -> None:
    """Run every stage but compose and track below `root`."""
    from straightline.stages import compare, data, evaluate, reference, report, train

    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    if not (root / "src").exists():
        (root / "src").symlink_to(ROOT / "src")
    data.run(root)
    for target in values["targets"]:
        for model in values["models"]:
            train.run(root, target, model)
    evaluate.run(root)
    reference.run(root)
    compare.run(root)
    with nullcontext() if pictures else no_pictures():
        report.run(root)
