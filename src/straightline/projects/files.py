"""Files of a project that are the same for every table, or nearly so."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import jinja2

from straightline.runtime.artifacts import write_text
from straightline.serving.requirement import Requirement

# Some are links to files of the repository; the installed package has copies of them.
TEMPLATES = Path(__file__).parent / "templates"
REQUIREMENTS = "requirements.txt"
# Files of git, DVC and other tools, by the name of their template. `dvc init` has written some of them before.
PLACES = {
    "data_gitignore": "data/.gitignore",
    "devcontainer.json": ".devcontainer/devcontainer.json",
    "dvc_config": ".dvc/config",
    "dvcignore": ".dvcignore",
    "gitignore": ".gitignore",
    "pre-commit.yaml": ".pre-commit-config.yaml",
    "workflow.yaml": ".github/workflows/straightline.yaml",
}
PLOTS = ".dvc/plots"
PYTHON = "PYTHON_VERSION"  # stands in templates for the version of Python that wrote the project


def write_requirements(root: Path, package: Requirement) -> None:
    """Write requirements.txt, by which pip installs this package as it runs here, and the wheel that it may name."""
    package.write_wheel(root)
    write_text(root / REQUIREMENTS, "".join(f"{line}\n" for line in package.lines))


def write_tools(root: Path) -> None:
    """Write the files of git, DVC, GitHub, pre-commit and development containers, over those of `dvc init`."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for name, place in PLACES.items():
        write_text(root / place, (TEMPLATES / name).read_text(encoding="utf-8").replace(PYTHON, version))
    shutil.copytree(TEMPLATES / "plots", root / PLOTS, dirs_exist_ok=True)


def readme(file: str, source: str, columns: Sequence[str], artifact: str, has_wheel: bool) -> str:
    """Return README.md for the table `file`, whose config is conf/data/`source`.yaml.

    `columns` are those to predict, `artifact` is one of dvc.yaml.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    values = {"file": file, "source": source, "columns": columns, "artifact": artifact, "wheel": has_wheel}
    return environment.get_template("README.md.jinja").render(values)
