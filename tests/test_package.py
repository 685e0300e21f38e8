"""What is installed: all files of the package, also those that are no modules."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment outside of the repository with the wheel and what the core needs: its `bin` folder."""
    return installed(tmp_path_factory.mktemp("core"), "")


def installed(folder: Path, extras: str) -> Path:
    """Return the `bin` folder of an environment that has the wheel with `extras`, such as [all], and nothing else."""
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT], check=True)
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, folder / "env"], check=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    install = [*uv, "pip", "install", "--quiet", "--python", folder / "env/bin/python"]
    subprocess.run([*install, f"{wheel}{extras}"], check=True)
    return folder / "env/bin"


def run_in(core: Path, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{core}:/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [core / command[0], *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_core_works_without_what_is_heavy(core: Path, tmp_path: Path) -> None:
    code = """
import sys, numpy as np, straightline as sl
from sklearn.linear_model import LinearRegression, Ridge
x = np.random.default_rng(0).normal(size=(60, 2))
y = x @ [1.0, 2.0] + np.random.default_rng(1).normal(size=60)
print(sl.Regression().fit(x, y).tidy().shape)
print(sl.compare(x, y, models={"line": LinearRegression(), "ridge": Ridge()}, baseline="line").answer)
print(sl.verdict([1.0, 1.1, 1.2], [0.5, 0.55, 0.6], folds=3).answer)
print(sorted({"tensorflow", "keras", "hydra", "mlflow", "dvc"} & {name.partition(".")[0] for name in sys.modules}))
"""
    done = run_in(core, tmp_path, "python", "-c", code)
    assert done.stdout.splitlines() == ["(3, 7)", "yes", "no", "[]"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("straightline run table.csv --target y", "hydra is not installed; pip install 'straightline[tensorflow]'"),
        ("straightline ui", "mlflow is not installed; pip install 'straightline[pipeline]'"),
        (
            "straightline sweep models.neural.l2=0.1,0.2",
            "optuna is not installed; pip install 'straightline[pipeline]'",
        ),
    ],
)
def test_one_line_names_the_extra_that_is_missing(core: Path, tmp_path: Path, command: str, missing: str) -> None:
    (tmp_path / "table.csv").write_text("x,y\n" + "".join(f"{row},{row % 7}\n" for row in range(60)))
    done = run_in(core, tmp_path, *command.split())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"straightline: {missing}"


def write_tables(folder: Path) -> None:
    """Write the tables that README.md speaks of, with some dozens of rows each."""
    random = np.random.default_rng(0)
    rooms, days = random.integers(1, 8, 60), random.integers(1, 30, 60)
    houses = pd.DataFrame({"rooms": rooms, "shop": np.arange(60) % 12, "price": 30 + 25 * rooms + days})
    houses.to_csv(folder / "houses.csv", index=False)
    new = houses.drop(columns="price").head(3).assign(address=["1 Hill", "2 Hill", "3 Hill"])
    new.to_csv(folder / "new-houses.csv", index=False)
    visits = pd.DataFrame({"rooms": rooms, "days": days, "visits": random.poisson(0.1 * rooms * days)})
    visits.to_csv(folder / "visits.csv", index=False)
    survey = pd.DataFrame({"rooms": rooms, "weight": days / 3, "income": 10.0 * rooms + days})
    survey.to_csv(folder / "survey.csv", index=False)


@pytest.mark.slow
def test_a_wheel_does_what_the_page_says_of_own_tables(tmp_path: Path) -> None:
    """Every command before the first section, in its order, outside of the repository; training takes 3 epochs."""
    binaries = installed(tmp_path, "[all]")
    write_tables(tmp_path)
    section = (ROOT / "docs/how-to/tables.md").read_text(encoding="utf-8").partition("\n## ")[0]
    block = re.findall(r"^straightline .*", section, re.MULTILINE)
    commands = [*block, *(code for code in re.findall(r"`([^`\n]+)`", section) if code.startswith("straightline "))]
    assert len(commands) == 10
    quick = ["models.neural.hidden=[4]", "fit.epochs=3", "folds.k=3", "folds.repeats=1", "folds.seeds=1"]
    for command in commands:
        words = shlex.split(command)
        done = run_in(binaries, tmp_path, *words, *(quick if words[1] == "run" else []))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert len(pd.read_csv(tmp_path / "prices.csv")) == 3
    done = run_in(binaries, tmp_path / "houses", "dvc", "repro", "report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "houses/reports/index.html").exists()
