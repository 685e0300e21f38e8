"""`straightline init`: a DVC and git project of its own for a user's table."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import yaml

from straightline.config.composition import CONF
from straightline.config.table_options import TableOptions, table_settings
from straightline.errors import UserError
from straightline.runtime.artifacts import write_text
from straightline.stages import compose, data

PROJECT = Path(__file__).parent / "project"  # the repository's own files, or as the package has them
PLACES = {"gitignore": ".gitignore", "dvcignore": ".dvcignore", "dvc_config": ".dvc/config"}
PLOTS = ".dvc/plots"
BUNDLED = re.compile(r"data/(?!table)|target/(?!table)")  # configs of other tables than the user's
REQUIREMENTS = "requirements.txt"


def run(options: TableOptions, folder: Path) -> None:
    """Make the project `folder`: conf/, params.yaml, dvc.yaml, README.md and the table, committed where git lets it.

    Raises UserError before anything is there where table or options are wrong, where `folder` is there already, and
    where git is missing.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: is there already; choose a new folder")
    if shutil.which("git") is None:
        raise UserError("git: not found; install it, since a DVC project is a git repository")
    values = yaml.safe_load(table_settings(options))
    _require_sound(values)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".straightline-") as temporary:
        work = Path(temporary) / folder.name
        _write(work, options.file, values)
        is_committed = _control(work, values)
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    first = "" if is_committed else " && git commit -m 'Begin'"
    why = "" if is_committed else "git does not know your name yet (git config --global user.name, user.email); then:\n"
    print(f"{folder}: a DVC and git project\n{why}cd {folder}{first} && dvc repro && straightline show")


def _require_sound(values: Mapping[str, Any]) -> None:
    """Raise what the data stage raises."""
    with tempfile.TemporaryDirectory() as folder:
        write_text(Path(folder) / "params.yaml", yaml.safe_dump(dict(values), allow_unicode=True))
        data.run(Path(folder))


def _write(root: Path, file: Path, values: dict[str, Any]) -> None:
    for path in sorted(CONF.rglob("*.yaml")):
        name = path.relative_to(CONF).as_posix()
        if not BUNDLED.match(name):
            write_text(root / "conf" / name, path.read_text(encoding="utf-8"))
    own = values["data"] | {"path": f"data/{file.name}"}
    source = _configure(root / "conf", file, own, values["targets"])
    (root / "data").mkdir()
    shutil.copyfile(file, root / own["path"])
    write_text(root / REQUIREMENTS, f"straightline=={version('straightline')}\n")
    write_text(root / "dvc.yaml", yaml.safe_dump(_stages(), sort_keys=False, width=120))
    write_text(root / "README.md", _readme(file, source, values["targets"]))
    compose.run(root)


def _configure(conf: Path, file: Path, own: Mapping[str, Any], targets: Mapping[str, Any]) -> str:
    """Write the table's and its targets' configs, and choose them; returns the former's name."""
    chosen: list[Any] = []
    for key, target in targets.items():
        name = f"{key}_" if (conf / f"target/{key}.yaml").exists() else key
        write_text(conf / f"target/{name}.yaml", _dumped(target))
        chosen.append({f"/target@_global_.targets.{key}": name})
    source = re.sub(r"[^A-Za-z0-9]+", "_", file.stem).strip("_")
    source = f"own_{source}".rstrip("_") if source in ("", "table") else source
    text = _dumped({"defaults": [*chosen, "_self_"], **own})
    write_text(
        conf / f"data/{source}.yaml", f"# As `straightline init` was told; what the keys mean: table.yaml.\n{text}"
    )
    config = (conf / "config.yaml").read_text(encoding="utf-8")
    write_text(conf / "config.yaml", config.replace("- data: balloons\n", f"- data: {source}\n"))
    return source


def _dumped(values: Mapping[str, Any]) -> str:
    """Return YAML whose words are taken as they are: OmegaConf would resolve `${`."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True).replace("${", "\\${")


def _stages() -> dict[str, Any]:
    """Return dvc.yaml with the package's version for a dependency instead of its modules."""
    stages: dict[str, Any] = yaml.safe_load((PROJECT / "stages.yaml").read_text(encoding="utf-8"))
    for stage in stages["stages"].values():
        own = [path for path in stage["deps"] if not path.startswith("src/")]
        stage["deps"] = sorted([*own, REQUIREMENTS])
    return stages


def _readme(file: Path, source: str, targets: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PROJECT), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    columns = [target["column"] for target in targets.values()]
    return environment.get_template("README.md.jinja").render(file=file.name, source=source, columns=columns)


def _control(root: Path, values: Mapping[str, Any]) -> bool:
    """Make `root` a git and DVC repository; returns whether git could commit it."""
    _done(root, "git", "init", "--quiet")
    _done(root, sys.executable, "-m", "dvc", "init", "--quiet")
    for name, place in PLACES.items():
        shutil.copyfile(PROJECT / name, root / place)
    shutil.copytree(PROJECT / "plots", root / PLOTS, dirs_exist_ok=True)
    path = Path(values["data"]["path"]).name
    _done(root, sys.executable, "-m", "dvc", "add", "--quiet", f"data/{path}")
    _done(root, "git", "add", "--all")
    words = f"Is a straight line enough to predict {', '.join(one['column'] for one in values['targets'].values())}?"
    done = subprocess.run(["git", "commit", "--quiet", "-m", words], cwd=root, check=False, capture_output=True)
    return done.returncode == 0


def _done(root: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{' '.join(words[-4:])}: {' '.join(done.stderr.split())}")
