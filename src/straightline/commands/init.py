"""`straightline init`: create a project with DVC and git for a user's table."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import yaml
from omegaconf import OmegaConf

from straightline.config.composition import CONF
from straightline.config.streams import received
from straightline.config.table_options import TableOptions, table_settings
from straightline.errors import UserError
from straightline.revisions.site_cache import use_private_cache
from straightline.runtime.artifacts import write_text
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.terminal import say
from straightline.stages import compose, data

PROJECT = (
    Path(__file__).parent / "project"
)  # Links to files of the repository; the installed package has copies of them.
PLACES = {
    "gitignore": ".gitignore",
    "data_gitignore": "data/.gitignore",
    "dvcignore": ".dvcignore",
    "dvc_config": ".dvc/config",
}
PLOTS = ".dvc/plots"
BUNDLED = re.compile(r"data/(?!table)|target/(?!table)")  # configs of other tables than the user's
REQUIREMENTS = "requirements.txt"
# Names that a config cannot have, since it exists already, or since YAML and Hydra read the name as another value.
TAKEN = re.compile(r"|table|\d.*|true|false|yes|no|on|off|null|nan|inf", re.IGNORECASE)


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
    commit = "" if is_committed else " && git commit -m 'Begin'"
    note = (
        "" if is_committed else "git does not know your name yet (git config --global user.name, user.email); then:\n"
    )
    say(f"{folder}: a DVC and git project\n{note}cd {folder}{commit} && dvc repro")


def _require_valid_table(folder: Path, values: Mapping[str, Any]) -> None:
    """Run the data stage in `folder`. Raises UserError if it refuses the table."""
    write_text(folder / "params.yaml", yaml.safe_dump(dict(values), allow_unicode=True))
    data.run(folder)


def _write(root: Path, options: TableOptions, file: Path, values: dict[str, Any], effort: str | None) -> None:
    for path in sorted(CONF.rglob("*.yaml")):
        name = path.relative_to(CONF).as_posix()
        if not BUNDLED.match(name):
            write_text(root / "conf" / name, path.read_text(encoding="utf-8"))
    source = _configure(root / "conf", options.name, values["data"], values["targets"], effort)
    (root / "data").mkdir()
    shutil.copyfile(file, root / values["data"]["path"])
    write_text(root / REQUIREMENTS, f"straightline=={version('straightline')}\n")
    write_text(root / "dvc.yaml", yaml.safe_dump(_stages(), sort_keys=False, width=120))
    write_text(root / "README.md", _readme(Path(values["data"]["path"]).name, source, values["targets"]))
    compose.run(root)


def _configure(conf: Path, name: str, table: Mapping[str, Any], targets: Mapping[str, Any], effort: str | None) -> str:
    """Write config files for the table and its targets, and select them and `effort` in config.yaml.

    Return the table's name.
    """
    chosen: list[Any] = []
    for key, target in targets.items():
        own = f"own_{key}" if TAKEN.fullmatch(key) or (conf / f"target/{key}.yaml").exists() else key
        write_text(conf / f"target/{own}.yaml", _dumped(target))
        chosen.append({f"/target@_global_.targets.{key}": own})
    source = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if TAKEN.fullmatch(source):
        source = f"own_{source}".rstrip("_")
    text = _dumped({"defaults": [*chosen, "_self_"], **table})
    write_text(conf / f"data/{source}.yaml", f"# Written by `straightline init`; table.yaml explains the keys.\n{text}")
    config = (conf / "config.yaml").read_text(encoding="utf-8")
    config = config.replace("- data: balloons\n", f"- data: {source}\n")
    if effort is not None:
        config = re.sub(r"- effort: .*", f"- effort: {effort}", config)
    write_text(conf / "config.yaml", config)
    return source


def _dumped(values: Mapping[str, Any]) -> str:
    """Return YAML that OmegaConf reads as the same values: it takes 1e5 as a number, and would resolve `${`."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(values))).replace("${", "\\${")


def _stages() -> dict[str, Any]:
    """Return dvc.yaml, in which the stages depend on the version of the package instead of its modules."""
    stages: dict[str, Any] = yaml.safe_load((PROJECT / "stages.yaml").read_text(encoding="utf-8"))
    for stage in stages["stages"].values():
        files = [path for path in stage["deps"] if not path.startswith("src/")]
        stage["deps"] = sorted([*files, REQUIREMENTS])
    return stages


def _readme(file: str, source: str, targets: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PROJECT), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    columns = [target["column"] for target in targets.values()]
    return environment.get_template("README.md.jinja").render(file=file, source=source, columns=columns)


def _make_repository(root: Path, values: Mapping[str, Any]) -> bool:
    """Make `root` a git and DVC repository. Return whether git could commit the files."""
    _execute(root, "git", "init", "--quiet")
    _execute(root, sys.executable, "-m", "dvc", "init", "--quiet")
    for name, place in PLACES.items():
        shutil.copyfile(PROJECT / name, root / place)
    use_private_cache(root)
    shutil.copytree(PROJECT / "plots", root / PLOTS, dirs_exist_ok=True)
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
