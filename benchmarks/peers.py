"""Run the quick start of this project and of its peers on the same table: `python benchmarks/peers.py ENVIRONMENTS`.

Each of benchmarks/peers/with_*.py is what a newcomer types. It runs in an environment of its own, which is made in the
folder ENVIRONMENTS from a lock of benchmarks/peers/ unless it is there already. Written are docs/peers.csv (what each
run took), docs/peers/*.txt (what it printed) and docs/peers/arguments.csv (arguments and their defaults);
`python docs/peers.py` makes the page of them. Names of peers limit the run to these. It needs Linux and Python 3.11,
which is the latest that PyCaret takes.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS, DOCS = ROOT / "benchmarks/peers", ROOT / "docs"
CALLS = {
    "straightline": ["straightline:compare"],
    "skore": ["skore:evaluate"],
    "lazypredict": ["lazypredict.Supervised:LazyRegressor", "lazypredict.Supervised:LazyRegressor.fit"],
    "pycaret": ["pycaret.regression:setup", "pycaret.regression:compare_models"],
    "statsmodels": ["statsmodels.formula.api:ols", "statsmodels.stats.diagnostic:linear_reset"],
    "autogluon": ["autogluon.tabular:TabularPredictor", "autogluon.tabular:TabularPredictor.fit"],
}
DISTRIBUTIONS = {"autogluon": "autogluon_tabular"}  # Names of packages where they differ from the name of the peer.
PAUSE = 0.1  # Seconds between two measurements of the memory.
MIB = 2**20


def main() -> None:
    """Measure the peers that the arguments name, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", type=Path, help="the folder of the environments")
    parser.add_argument("peers", nargs="*", metavar="peer", help=f"one of {', '.join(CALLS)}; default: all")
    arguments = parser.parse_args()
    if unknown := sorted({*arguments.peers} - {*CALLS}):
        parser.error(f"expected peers among {', '.join(CALLS)}, got {', '.join(unknown)}")
    for peer in arguments.peers or CALLS:
        python = environment(peer, arguments.environments.resolve())
        row = pd.DataFrame([{"peer": peer, **installed(peer, python), **measured(peer, python)}])
        merge(row, DOCS / "peers.csv")
        merge(signatures(peer, python), DOCS / "peers/arguments.csv")
        print(row.to_string(index=False), flush=True)


def environment(peer: str, folder: Path) -> Path:
    """Return the Python of the environment of a peer; make it if it is not there. Its modules are compiled."""
    python = folder / peer / "bin/python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", str(folder / peer)], check=True)
        of_project = ["--constraints", str(ROOT / "requirements.lock"), f"straightline[tensorflow] @ file://{ROOT}"]
        of_peer = ["--requirements", str(SCRIPTS / f"{peer}.lock")]
        packages = of_project if peer == "straightline" else of_peer
        command = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *packages]
        subprocess.run(command, check=True)
    return python


def installed(peer: str, python: Path) -> dict[str, object]:
    """Return the version of the peer, and the number and the size of all packages of its environment."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    packages = [folder.name.removesuffix(".dist-info").split("-") for folder in site.glob("*.dist-info")]
    versions = dict(packages)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file() and not path.is_symlink())
    version = versions[DISTRIBUTIONS.get(peer, peer)]
    return {"version": version, "packages": len(packages), "installed_mib": round(size / MIB)}


def measured(peer: str, python: Path) -> dict[str, object]:
    """Run the quick start of a peer in an empty folder, keep what it prints, and return what it took.

    `cpu_seconds` are those of all its processes, `memory_mib` is their greatest proportional set size together, and
    `files` are the names of what it left in the folder. Raises RuntimeError with the errors if the script fails.
    """
    script = SCRIPTS / f"with_{peer}.py"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "examples/diabetes.csv", folder)
        shutil.copy(script, folder / "quick_start.py")
        before = {path.name for path in folder.iterdir()}
        with (folder.with_suffix(".errors")).open("w+") as errors, (DOCS / f"peers/{peer}.txt").open("w") as printed:
            started = time.monotonic()
            process = psutil.Popen(
                [python, "quick_start.py"], cwd=folder, stdout=printed, stderr=errors, env=clean, text=True
            )
            cpu_seconds, memory = watched(process)
            seconds = time.monotonic() - started
            if process.wait():
                errors.seek(0)
                raise RuntimeError(f"{script.name} failed: {errors.read()}")
        Path(errors.name).unlink()
        left = sorted(path.name for path in folder.iterdir() if path.name not in before)
    lines = sum(bool(line.strip()) for line in script.read_text().splitlines())
    took = {"seconds": round(seconds, 1), "cpu_seconds": round(cpu_seconds, 1), "memory_mib": round(memory / MIB)}
    return {"lines": lines, **took, "files": " ".join(left)}


def watched(process: psutil.Popen) -> tuple[float, int]:
    """Wait for a process and its children. Return their seconds of CPU and their greatest memory in bytes."""
    seconds: dict[int, float] = {}
    most = 0
    while process.poll() is None:
        memory = 0
        for each in [process, *children(process)]:
            try:
                times = each.cpu_times()
                seconds[each.pid] = times.user + times.system
                memory += each.memory_full_info().pss
            except psutil.Error:  # It ended between the two looks, so that its last seconds are those seen before.
                continue
        most = max(most, memory)
        time.sleep(PAUSE)
    return sum(seconds.values()), most


def children(process: psutil.Popen) -> list[psutil.Process]:
    """Return all descendants of a process that still run."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def signatures(peer: str, python: Path) -> pd.DataFrame:
    """Return `peer,call,argument,default` of the calls of a peer."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), str(SCRIPTS / "arguments.py"), *CALLS[peer]]
        printed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    rows = [line.split(",", 2) for line in printed.splitlines() if line.count(",") >= 2]
    return pd.DataFrame([[peer, *row] for row in rows], columns=["peer", "call", "argument", "default"])


def merge(rows: pd.DataFrame, path: Path) -> None:
    """Write the rows of a peer into a table, in place of its earlier ones, in the order of `CALLS`."""
    known = [pd.read_csv(path, keep_default_na=False, dtype=str)] if path.exists() else []
    others = [table[~table["peer"].isin(rows["peer"])] for table in known]
    merged = pd.concat([*others, rows.astype(str)])
    merged.sort_values("peer", key=lambda peers: peers.map(list(CALLS).index), kind="stable").to_csv(path, index=False)


if __name__ == "__main__":
    main()
