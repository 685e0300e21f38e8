"""`straightline init`: create a project with DVC and git for a user's table."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from straightline.config.streams import received
from straightline.config.table_options import TableOptions, table_settings
from straightline.errors import UserError
from straightline.projects.files import readme, write_requirements, write_tools
from straightline.projects.pipeline import model_artifacts, pipeline
from straightline.projects.settings import write_settings
from straightline.revisions.site_cache import use_private_cache
from straightline.runtime.artifacts import write_text
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.terminal import say
from straightline.serving.requirement import requirement
from straightline.stages import compose, data


def run(options: TableOptions, folder: Path, effort: str | None) -> None:
    """Create the project `folder` with conf/, params.yaml, dvc.yaml, README.md and the table; commit it if git can.

    `effort` is a file of conf/effort, or None for that of conf/config.yaml. Raises UserError, before anything is
    written, if the table or the options are invalid, if `folder` already exists and is not empty, or if git is missing.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: already exists; choose a new folder")
    if shutil.which("git") is None:
        raise UserError("git: not found; install it, since a DVC project is a git repository")
    with temporary_folder() as own, received(options.file, own) as file:
        values = yaml.safe_load(table_settings(options))
        _require_valid_table(own, values)
        name = file.name if file == options.file else options.name  # A stream gets a name without a space.
        values["data"]["path"] = f"data/{name}"
        _create(options, file, values, folder, effort)


def _create(options: TableOptions, file: Path, values: dict[str, Any], folder: Path, effort: str | None) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent) as temporary:
        work = temporary / "project"
        _write(work, options, file, values, effort)
        is_committed = _make_repository(work, values)
        if folder.exists():
            for path in work.iterdir():
                path.rename(folder / path.name)
        else:
            work.rename(folder)
    say(f"{folder}: a DVC and git project\n{_next_steps(folder, is_committed)}")


def _next_steps(folder: Path, is_committed: bool) -> str:
    """Return what to type next. pipx and uvx give the user no `dvc`, and the stages need it in the same environment."""
    note, steps = "", [f"cd {folder}"]
    if not is_committed:
        note = "git does not know your name yet (git config --global user.name, user.email); then:\n"
        steps.append("git commit -m 'Begin'")
    if shutil.which("dvc") is None:
        steps += ["python3 -m venv .venv", "source .venv/bin/activate", "pip install -r requirements.txt"]
    return note + " && ".join([*steps, "dvc repro"])


def _require_valid_table(folder: Path, values: Mapping[str, Any]) -> None:
    """Run the data stage in `folder`. Raises UserError if it refuses the table."""
    write_text(folder / "params.yaml", yaml.safe_dump(dict(values), allow_unicode=True))
    data.run(folder)


def _write(root: Path, options: TableOptions, file: Path, values: dict[str, Any], effort: str | None) -> None:
    source = write_settings(root / "conf", options.name, values["data"], values["targets"], effort)
    (root / "data").mkdir()
    shutil.copyfile(file, root / values["data"]["path"])
    package = requirement("all", is_git_there=True)
    write_requirements(root, package)
    artifacts = model_artifacts(values["models"], values["targets"])
    write_text(root / "dvc.yaml", pipeline(artifacts))
    columns = [target["column"] for target in values["targets"].values()]
    table = Path(values["data"]["path"]).name
    write_text(root / "README.md", readme(table, source, columns, next(iter(artifacts)), package.wheel is not None))
    compose.run(root)


def _make_repository(root: Path, values: Mapping[str, Any]) -> bool:
    """Make `root` a git and DVC repository. Return whether git could commit the files."""
    _execute(root, "git", "init", "--quiet")
    _execute(root, sys.executable, "-m", "dvc", "init", "--quiet")
    write_tools(root)
    use_private_cache(root)
    table = Path(values["data"]["path"]).name
    _execute(root, sys.executable, "-m", "dvc", "add", "--quiet", f"data/{table}")
    _execute(root, "git", "add", "--all")
    columns = ", ".join(target["column"] for target in values["targets"].values())
    command = ["git", "commit", "--quiet", "-m", f"Is a straight line enough to predict {columns}?"]
    return subprocess.run(command, cwd=root, check=False, capture_output=True).returncode == 0


def _execute(root: Path, *words: str) -> None:
    """Run a command in `root`. Raises UserError with its stderr if it fails."""
    process = subprocess.run(words, cwd=root, check=False, capture_output=True, text=True)
    if process.returncode:
        raise UserError(f"{' '.join(words[-4:])}: {' '.join(process.stderr.split())}")
