"""What is installed: all files of the package, also those that are no modules."""

import subprocess
import tomllib

from tests.conftest import ROOT

PACKAGE = ROOT / "src/straightline"


def test_a_wheel_has_every_file_of_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    installed = {path for path in PACKAGE.rglob("*.py") if (path.parent / "__init__.py").exists()}
    for package, patterns in settings["package-data"].items():
        folder = ROOT / "src" / package.replace(".", "/")
        installed |= {path for pattern in patterns for path in folder.glob(pattern)}
    listed = subprocess.run(["git", "ls-files", PACKAGE], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [ROOT / line for line in listed.splitlines()]
    assert [path for path in files if not path.is_dir() and path not in installed] == []
