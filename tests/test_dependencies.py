"""The order of the rooms, what each stage depends on in dvc.yaml, and who imports TensorFlow and MLflow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from straightline.stages import report
from tests.conftest import ROOT

PACKAGE = ROOT / "src/straightline"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py" and path.stat().st_size)
# A room imports only from itself and from rooms above it in this list (docs/architecture.md).
ROOMS = [
    "errors",
    "formatting",
    "check",
    "runtime",
    "families",
    "models",
    "config",
    "data",
    "regression",
    "training",
    "comparison",
    "large",
    "serving",
    "results",
    "report",
    "tracking",
    "sweeps",
    "calibration",
    "revisions",
    "outputs",
    "projects",
    "stages",
    "interface",
    "commands",
    "cli",
    "__main__",
]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def file_of(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def nodes(tree: ast.AST, runs_at_import: bool) -> Iterator[ast.AST]:
    """Yield the nodes of a module; without those of functions where only what runs at its import counts."""
    for node in ast.iter_child_nodes(tree):
        if runs_at_import and (isinstance(node, ast.FunctionDef) or "TYPE_CHECKING" in ast.dump(node)):
            continue
        yield node
        yield from nodes(node, runs_at_import)


def imported(path: Path) -> set[Path]:
    """Return the files of the project that `path` imports, those that its functions import included.

    The packages around an imported module are imported too, but only with what runs at that moment.
    """
    names: set[str] = set()
    for node in nodes(ast.parse(path.read_text()), runs_at_import=path.name == "__init__.py"):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    names |= {name.rpartition(".")[0] for name in names}
    files = {file_of(name) for name in names if name.split(".")[0] == "straightline"}
    return {file for file in files if file in MODULES}


def closure(path: Path) -> set[Path]:
    found, waiting = set(), {path}
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported(file) - found
    return found


def modules_of(dependency: str) -> set[Path]:
    """Return the modules that a line of `deps` in dvc.yaml stands for: a file, or all of a folder."""
    path = ROOT / dependency
    return {path} if path.is_file() else {module for module in MODULES if path in module.parents}


def test_every_module_lives_in_a_room() -> None:
    assert {room(path) for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    order = ROOMS.index(room(path))
    below = {str(other.relative_to(PACKAGE)) for other in imported(path) if ROOMS.index(room(other)) > order}
    assert not below


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_command_is_no_library(path: Path) -> None:
    used = {room(other) for other in imported(path) if other not in (path, path.parent / "__init__.py")}
    assert "commands" not in used or room(path) in ("cli", "__main__")
    assert "stages" not in used or room(path) in ("interface", "commands", "cli", "__main__")


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_what_a_stage_imports(stage: str) -> None:
    """A folder is named where the stage needs at least half of its modules, a module only where it is needed."""
    needed = closure(PACKAGE / f"stages/{stage}.py")
    named = {dependency: modules_of(dependency) for dependency in STAGES[stage]["deps"] if dependency.startswith("src")}
    assert needed <= set().union(*named.values())
    for dependency, modules in named.items():
        if modules:  # templates hold no modules
            assert len(modules & needed) >= len(modules) / 2, dependency


def test_training_depends_on_exactly_what_it_imports() -> None:
    named = [modules_of(dependency) for dependency in STAGES["train"]["deps"] if dependency.startswith("src")]
    assert set().union(*named) == closure(PACKAGE / "stages/train.py")


def test_the_report_shows_the_params_that_it_depends_on() -> None:
    assert list(report.SETTINGS) == STAGES["report"]["params"]


@pytest.mark.parametrize("stage", ["compose", "data", "reference", "compare", "report"])
def test_stages_without_keras_import_no_tensorflow(project: Path, stage: str) -> None:
    if stage == "compose":
        (project / "conf").symlink_to(ROOT / "conf")
    code = (
        f"import sys; from pathlib import Path; from straightline.stages import {stage} as s; s.run(Path('.')); "
        "loaded = {'tensorflow', 'keras', 'mlflow'} & set(sys.modules); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, capture_output=True)


@pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["show", "--json"], ["judge", "--margin", "0.1"], ["nonsense"]]
)
def test_the_command_line_imports_neither(project: Path, command: list[str]) -> None:
    code = (
        "import atexit, os, sys; atexit.register(lambda: "
        "os._exit(77 if {'tensorflow', 'keras', 'mlflow'} & set(sys.modules) else 0)); "
        f"sys.argv = ['straightline', *{command!r}]; from straightline.__main__ import main; main()"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=project, check=False, capture_output=True).returncode == 0
