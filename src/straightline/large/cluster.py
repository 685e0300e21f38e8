"""Computations on a large table as Ray tasks, on this machine or on all nodes of a cluster.

A task reads its rows from shared Parquet files itself, so that no row goes through the driver, and a task that is lost
with its node can run again elsewhere. Results are joined in the tree of `passes.py`, so that they are the same bits as
those of threads.
"""

import logging
import os
import platform
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from straightline.errors import UserError
from straightline.large.passes import Combine, Result, Task
from straightline.large.table import Leaf
from straightline.runtime.steps import step
from straightline.runtime.threads import THREADS

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

try:
    import ray
except ModuleNotFoundError:
    raise UserError(
        "--engine ray: Ray is not installed; pip install 'straightline[ray]', or in a clone `make .venv/tested`"
    ) from None

from threadpoolctl import threadpool_limits

# Who takes `ray` from here has the error above.
__all__ = ["RETRIES", "WAIT", "Cluster", "connected", "ray", "require_versions", "versions"]

SAME = ("straightline", "tensorflow", "keras", "numpy")  # packages that digits depend on
RETRIES = 3  # retries of a task after its worker or its node is lost
WAITING = 2  # tasks for each processor that wait, so that none is idle, and results do not pile up
WAIT = 5.0  # seconds to wait for an answer of the cluster, and between two lines of progress


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster at `address`.

    Without `address` that is the cluster in RAY_ADDRESS, or one on this machine, which is started if none is running.
    Raises UserError if the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        _require_answer(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--engine ray: no cluster at {address or 'this machine'}: {reason} (docs/how-to/scaling.md)"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    """Raise OSError if no program listens at `address`; Ray itself would try for more than ten minutes."""
    if address is not None and (parts := urlsplit(f"//{address}")).port is not None:
        socket.create_connection((parts.hostname or "", parts.port), timeout=WAIT).close()


def versions() -> dict[str, str]:
    """Return the versions of the packages that digits depend on."""
    return {name: version(name) for name in SAME}


def require_versions(expected: Mapping[str, str]) -> None:
    """Raise UserError, naming this node, if its `versions` differ from those `expected`."""
    found = versions()
    if found != expected:
        differences = [
            f"{name} {found[name]}, expected {expected[name]}" for name in SAME if found[name] != expected[name]
        ]
        raise UserError(f"node {platform.node()} has {', '.join(differences)}; install the same versions on all nodes")


@dataclass(frozen=True)
class Cluster:
    """The nodes of the cluster that Ray is connected to."""

    is_remote: bool = True

    def nodes(self, task: Task, combine: Combine, nodes: Sequence[Sequence[Leaf]]) -> Iterator[Any]:
        """Yield the result of each node of the tree in order, one task each.

        Raises UserError if a task fails, or if its worker is lost more than RETRIES times.
        """
        remote = ray.remote(_node).options(num_cpus=1, max_retries=RETRIES)
        shared = ray.put((task, combine))
        running: list[Any] = []
        coming = iter(nodes)
        for node in nodes:
            while len(running) < WAITING * self.processors and (next_node := next(coming, None)) is not None:
                running.append(remote.remote([shared], versions(), next_node))
            yield _result(running.pop(0), f"rows from {node[0].first_row + 1:,} on")

    def shares(self, count: int) -> list[range]:
        """Return as many neighbourhoods as the cluster can train at once."""
        tasks = min(count, max(1, self.processors // THREADS))
        return [range(part[0], part[-1] + 1) for part in np.array_split(np.arange(count), tasks)]

    def each(self, train: Callable[[range], Result], shares: Sequence[range], title: str) -> list[Result]:
        """Return the results of `train`, one task each. Raises UserError as `nodes` does."""
        remote = ray.remote(_trained).options(num_cpus=min(THREADS, self.processors), max_retries=RETRIES)
        shared = ray.put(train)
        tasks = [remote.remote([shared], versions(), share) for share in shares]
        with step(title) as reached:
            done: list[Any] = []
            while len(done) < len(tasks):
                done, _ = ray.wait(tasks, num_returns=len(tasks), timeout=WAIT)
                reached(f"{len(done)} of {len(tasks)} tasks")
        return [_result(task, title) for task in tasks]

    @property
    def processors(self) -> int:
        """The number of processors that are there now, at least 1."""
        return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]


def _node(shared: Sequence[Any], expected: Mapping[str, str], leaves: Sequence[Leaf]) -> Any:
    """Compute a node. `shared` is a list of one reference, since Ray would fetch the value of a plain argument."""
    require_versions(expected)
    task, combine = ray.get(shared[0])
    with threadpool_limits(1, "blas"):
        return reduce(combine, map(task, leaves))


def _trained(shared: Sequence[Any], expected: Mapping[str, str], share: range) -> Any:
    require_versions(expected)
    return ray.get(shared[0])(share)


def _result(reference: Any, what: str) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, UserError):
            raise cause from None
        raise UserError(f"--engine ray: {what}: a task failed: {' '.join(str(cause).split())[:300]}") from None
