"""How saved models and projects name the package, and the wheel that they bring along."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from straightline.serving.requirement import public_requirement, requirement
from straightline.serving.wheel import package_wheel
from tests.conftest import ROOT

GITHUB = "https://github.com/someone/straightline"
AT_COMMIT = {"vcs": "git", "commit_id": "0a1b"}


@pytest.mark.parametrize(
    ("version", "origin", "line"),
    [
        ("0.1.0", None, "straightline[all]==0.1.0"),
        ("0.1.0+sha0a", None, None),  # installed from a folder that pip was asked to look in
        ("0.1.0", {"url": f"{GITHUB}.git", "vcs_info": AT_COMMIT}, f"straightline[all] @ git+{GITHUB}.git@0a1b"),
        (
            "0.1.0",
            {"url": "ssh://git@example.org/a.git", "vcs_info": AT_COMMIT, "subdirectory": "python"},
            "straightline[all] @ git+ssh://git@example.org/a.git@0a1b#subdirectory=python",
        ),
        (
            "0.1.0",
            {"url": "https://me:secret@example.org/a.git", "vcs_info": AT_COMMIT},
            "straightline[all] @ git+https://example.org/a.git@0a1b",
        ),
        (
            "0.1.0",
            {"url": "https://token@example.org/a.git", "vcs_info": AT_COMMIT},
            "straightline[all] @ git+https://example.org/a.git@0a1b",
        ),
        (
            "0.1.0",
            {"url": "https://example.org/straightline-0.1.0-py3-none-any.whl", "archive_info": {}},
            "straightline[all] @ https://example.org/straightline-0.1.0-py3-none-any.whl",
        ),
        ("0.1.0", {"url": "file:///straightline", "dir_info": {"editable": True}}, None),
        ("0.1.0", {"url": "file:///straightline", "vcs_info": AT_COMMIT}, None),
        ("0.1.0", {"url": "file:///straightline-0.1.0-py3-none-any.whl", "archive_info": {}}, None),
    ],
)
def test_a_requirement_names_only_places_that_others_reach(version: str, origin: Any, line: str | None) -> None:
    assert public_requirement("all", version, origin) == line


def test_where_git_is_missing_the_wheel_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = {"url": f"{GITHUB}.git", "vcs_info": AT_COMMIT}
    monkeypatch.setattr("straightline.serving.requirement._origin", lambda installed: origin)
    assert requirement("all", is_git_there=True).wheel is None
    there = requirement("tensorflow", is_git_there=False)
    assert there.wheel == package_wheel()
    assert there.lines == ("--find-links wheels", f"straightline[tensorflow]=={package_wheel().version}")


def test_the_same_code_gives_the_same_wheel() -> None:
    first = package_wheel()
    package_wheel.cache_clear()
    assert package_wheel() == first


def test_the_record_lists_every_file_of_the_wheel_with_its_digest() -> None:
    with zipfile.ZipFile(io.BytesIO(package_wheel().content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (record,) = (name for name in files if name.endswith("RECORD"))
    rows = list(csv.reader(files.pop(record).decode().splitlines()))
    assert rows.pop() == [record, "", ""]
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(content).digest()) for name, content in files.items()}
    expected = [[name, f"sha256={digests[name].decode().rstrip('=')}", str(len(files[name]))] for name in files]
    assert rows == expected


def test_the_wheel_has_the_files_that_a_built_one_has() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "src/straightline"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    files = {line.removeprefix("src/") for line in listed.stdout.splitlines() if not (ROOT / line).is_dir()}
    with zipfile.ZipFile(io.BytesIO(package_wheel().content)) as archive:
        names = set(archive.namelist())
    # Folders of the package that are links to folders of the repository are copied.
    assert files | {"straightline/config/conf/config.yaml", "straightline/projects/templates/plots/folds.json"} <= names
    assert not [name for name in names if "__pycache__" in name]


@pytest.mark.slow
def test_pip_finds_the_wheel_beside_the_requirements_and_the_package_in_it_makes_the_same_wheel(tmp_path: Path) -> None:
    """Pip runs in another folder, as in the container that MLflow describes."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    wheel = package_wheel()
    wheel.write(tmp_path / "model/wheels")
    lines = requirement("all", is_git_there=True).lines
    (tmp_path / "model/requirements.txt").write_text("\n".join(lines).replace("[all]", ""))
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", tmp_path / "model/requirements.txt"]
    subprocess.run(pip, cwd=tmp_path, check=True)
    code = f"""
import sys
sys.path += {sys.path!r}  # Its dependencies are those of the environment of the tests.
from pathlib import Path
from straightline.serving.requirement import requirement
print(requirement("all", True).lines)
requirement("all", True).write_wheel(Path("again"))
"""
    found = subprocess.run([python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == str(lines)
    assert (tmp_path / "again/wheels" / wheel.name).read_bytes() == wheel.content
