"""A table to sweep, and a sweep that has ended."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import shared
from tests.sweeps.cases import OWN, SWEEP, invoke, write_own


@pytest.fixture
def here(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder after a sweep that MLflow has, and output.txt with what that printed; no test changes its files."""
    return shared(tmp_path_factory, "swept", _sweep)


def _sweep(folder: Path) -> None:
    write_own(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        found = invoke(*SWEEP, *OWN[:-1])
    assert found.exit_code == 0, found.output
    (folder / "output.txt").write_text(found.output)
