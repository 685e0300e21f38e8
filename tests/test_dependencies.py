"""dvc.yaml's deps are the modules that a stage imports, and only some stages import TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from straightline.stages import report
from tests.conftest import ROOT

PACKAGE = ROOT / "src/straightline"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def file_of(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def imported(path: Path) -> set[Path]:
    """Return the project's files that `path` imports anywhere in its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    files = {file_of(name) for name in names if name.split(".")[0] == "straightline"}
    return {file for file in files if file is not None and file != PACKAGE / "__init__.py"}


def closure(path: Path) -> set[Path]:
    found, waiting = set(), {path}
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported(file) - found
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_import_closure(stage: str) -> None:
    needed = {str(path.relative_to(ROOT)) for path in closure(PACKAGE / f"stages/{stage}.py")}
    folder = "src/straightline/models"
    needed = {folder if path.startswith(folder + "/") else path for path in needed}
    named = {dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    assert needed == named - {"src/straightline/templates"}


def test_the_report_shows_the_params_that_it_depends_on() -> None:
    assert list(report.SETTINGS) == STAGES["report"]["params"]


@pytest.mark.parametrize("stage", ["compose", "data", "compare", "report"])
def test_stages_without_keras_import_no_tensorflow(project: Path, stage: str) -> None:
    if stage == "compose":
        (project / "conf").symlink_to(ROOT / "conf")
    code = (
        f"import sys; from pathlib import Path; from straightline.stages import {stage} as s; s.run(Path('.')); "
        "loaded = {'tensorflow', 'keras', 'mlflow'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, capture_output=True)


@pytest.mark.parametrize("command", [["--help"], ["show"], ["show", "--json"], ["nonsense"]])
def test_the_command_line_imports_neither(project: Path, command: list[str]) -> None:
    code = (
        "import atexit, os, sys; atexit.register(lambda: "
        "os._exit(77 if {'tensorflow', 'keras', 'mlflow'} & set(sys.modules) else 0)); "
        f"sys.argv = ['straightline', *{command!r}]; from straightline.__main__ import main; main()"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False, capture_output=True).returncode == 0
