"""A small copy of this repository, in which DVC, Hydra and MLflow run as their users know them."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT, shared

SMALL = {
    "conf/data/balloons.yaml": {
        "rows: 125000": "rows: 600",
        "  - /target@_global_.targets.num_balloons: num_balloons\n": "",
    },
    "conf/folds/repeated.yaml": {"k: 10": "k: 3", "repeats: null": "repeats: 1", "seeds: null": "seeds: 1"},
    "conf/fit/adam.yaml": {"epochs: null": "epochs: 5"},
}
DROPPED = ("DVC_", "MLFLOW_", "GIT_", "PYTEST_", "PYTHONDONTWRITEBYTECODE")  # from the environment of commands
ALL = [
    "compose",
    "data",
    "train@color-regression",
    "train@color-neural",
    "evaluate",
    "reference",
    "compare",
    "report",
    "track",
]


class Repository:
    """A git and DVC repository, and commands run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(DROPPED)}
        # The copy's own modules, not those that the tests run.
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(root / "src"),
        }

    def run(self, *command: str, fails: bool = False) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, check=False, capture_output=True, text=True, timeout=600
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output
        return output

    def dvc(self, *command: str, fails: bool = False) -> str:
        return self.run(sys.executable, "-m", "dvc", *command, fails=fails)

    def dvc_here(self, *command: str) -> None:
        """Run DVC in this process: it takes seconds to start, and a process of its own proves nothing more."""
        from dvc.cli import main

        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(self.root)
            for name in [name for name in os.environ if name.startswith(DROPPED)]:
                patched.delenv(name)
            assert main([*command]) == 0

    def edit(self, path: str, changes: dict[str, str]) -> None:
        file = self.root / path
        text = file.read_text()
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        file.write_text(text)

    def commit(self) -> None:
        self.run("git", "add", "-A")
        self.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")

    def live_runs(self) -> list[tuple]:
        with closing(sqlite3.connect(self.root / "mlflow.db")) as database:
            query = """select name, status, group_concat(k.value, ' ') from runs
                join tags k on k.run_uuid = runs.run_uuid and k.key in ('straightline.pipeline', 'straightline.role')
                where lifecycle_stage = 'active' group by runs.run_uuid order by 3, 1"""
            return database.execute(query).fetchall()


def ran(output: str) -> list[str]:
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def small_repository(factory: pytest.TempPathFactory) -> Repository:
    """Return a small copy of this repository after its first `dvc repro`, committed."""
    root = factory.mktemp("repository")
    shutil.copytree(shared(factory, "repository", _reproduce), root, symlinks=True, dirs_exist_ok=True)
    return Repository(root)


def _reproduce(root: Path) -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name, follow_symlinks=False)
    own = Repository(root)
    for path, changes in SMALL.items():
        own.edit(path, changes)
    for name in ("dvc.lock", "metrics", "verdicts"):
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink(missing_ok=True)
    own.run("git", "init", "-q", "-b", "main")
    own.run("git", "config", "user.name", "t")
    own.run("git", "config", "user.email", "t@example.org")
    assert "run dvc repro again" in own.dvc("repro", fails=True)
    output = own.dvc("repro")
    assert ran(output) == ALL
    own.commit()
