"""Passes over a large table as Ray tasks, on this machine or on all nodes of a cluster.

A task reads its leaves from the shared Parquet file itself, so that no row goes through the driver, and a task that is
lost with its node can run again elsewhere. Results are joined in the tree of `passes.py`, so that they are the same
bits as those of threads.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import ray
from threadpoolctl import threadpool_limits

from straightline.errors import UserError
from straightline.large.passes import Combine, Task
from straightline.large.table import Leaf

RETRIES = 3  # retries of a task after its worker or its node is lost
WAITING = 2  # tasks for each processor that wait, so that none is idle, and results do not pile up


@dataclass(frozen=True)
class Cluster:
    """The nodes of the cluster that Ray is connected to."""

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
                running.append(remote.remote([shared], next_node))
            yield _result(running.pop(0), node)

    @property
    def processors(self) -> int:
        """The number of processors that are there now, at least 1."""
        return max(1, int(ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]


def _node(shared: Sequence[Any], leaves: Sequence[Leaf]) -> Any:
    task, combine = ray.get(shared[0])
    with threadpool_limits(1, "blas"):
        return reduce(combine, map(task, leaves))


def _result(reference: Any, node: Sequence[Leaf]) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None) or error
        raise UserError(
            f"--engine ray: rows from {node[0].first_row + 1:,} on could not be read or computed with: "
            f"{' '.join(str(cause).split())[:300]}"
        ) from None
