"""Measure the sweep of benchmarks/sweep.py in one process, and on a Ray cluster with all its nodes on this machine.

This cannot show the gain of more machines, only the cost of Ray and of a node that is killed in the middle. Each
measurement is a separate process; its losses must equal those of the first one to the last digit.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
from ray.cluster_utils import Cluster
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_diabetes
from sweep import CONFIGS, FOLDS, words

KILLED_AFTER = 12.0  # Seconds, after which TensorFlow is imported and the stacks train.
MEMORY = 200 * 2**20  # Bytes of a node's object store.


def main() -> None:
    """Print the seconds of each, and whether its ranking equals the first one."""
    shown = Table("", "seconds", "ranking", title=f"{CONFIGS} configs x {FOLDS} folds", title_justify="left")
    with tempfile.TemporaryDirectory() as folder:
        table, target = load_diabetes(return_X_y=True, scaled=False, as_frame=True)
        pd.concat([table, target], axis=1).to_csv(Path(folder) / "table.csv", index=False)
        first = None
        for name, nodes, kill in (
            ("one process", 0, False),
            ("Ray, one node", 1, False),
            ("Ray, two nodes on the same two cores", 2, False),
            (f"Ray, two nodes, one killed after {KILLED_AFTER:.0f} s", 2, True),
        ):
            seconds = on_nodes(Path(folder), nodes, kill)
            ranking = (Path(folder) / "sweeps/sweep.csv").read_bytes()
            first = first or ranking
            shown.add_row(name, f"{seconds:.1f}", "the same" if ranking == first else "ANOTHER")
    Console(width=100).print(shown)


def on_nodes(folder: Path, count: int, kill: bool) -> float:
    """Return the seconds of a sweep on `count` new nodes; 0 nodes are a sweep without Ray."""
    if not count:
        return seconds(folder, [])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    try:
        nodes = [cluster.add_node(num_cpus=2, object_store_memory=MEMORY) for _ in range(count)]
        killer = threading.Timer(KILLED_AFTER, lambda: cluster.remove_node(nodes[0], allow_graceful=False))
        if kill:
            killer.start()
        return seconds(folder, ["--engine", "ray", "--address", cluster.address])
    finally:
        cluster.shutdown()


def seconds(folder: Path, options: list[str]) -> float:
    """Return the seconds that the whole command takes. Raises CalledProcessError if it fails."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "straightline", "sweep", *words(), "--no-track", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
