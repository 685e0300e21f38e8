"""Trains the configs of a sweep as Ray tasks, on this machine or on all nodes of a Ray cluster."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Config
from straightline.errors import UserError
from straightline.runtime.backend import import_tensorflow

import_tensorflow()

from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.large.cluster import RETRIES, WAIT, connected, ray, require_versions, versions
from straightline.large.stored import StoredTable, stored
from straightline.runtime.leftovers import temporary_folder
from straightline.runtime.threads import THREADS
from straightline.sweeps.trainer import OnProgress, Scored, Trainer

REPLICAS = 512  # most replicas of a task; tasks are smaller only if slots are free, since each has a start-up cost


@contextmanager
def trainer(
    address: str | None,
    table: TrainingTable,
    model: str,
    parts: Sequence[Fold],
    seeds: int,
    shared: Path = Path(),
) -> Iterator["RayTrainer"]:
    """Yield a trainer on the cluster at `address`. Its tasks read the rows from files below `shared`, which they see.

    Without `address` that is the cluster in RAY_ADDRESS, or one on this machine, which is started if none is running.
    Raises UserError if the cluster cannot be reached.
    """
    with connected(address), temporary_folder(shared.resolve()) as folder:
        yield RayTrainer(table, model, parts, seeds, folder)


class RayTrainer(Trainer):
    """Does the same as `Trainer`, with the same losses, in tasks that read the rows from files in `folder`."""

    def __init__(self, table: TrainingTable, model: str, parts: Sequence[Fold], seeds: int, folder: Path) -> None:
        super().__init__(table, model, parts, seeds)
        self._job = ray.put(_Job(stored(table, folder), model, parts, seeds))
        threads = _threads()
        self._threads = min(THREADS, max(threads, default=THREADS))
        self.slots = max(1, sum(node_threads // THREADS for node_threads in threads))

    def scored(self, configs: Sequence[Config], on_progress: OnProgress = lambda now: None) -> list[Scored]:
        """Return the result of each of `configs`, in their order.

        The configs of a task fail if its worker is lost more than RETRIES times. Raises UserError if a node has other
        versions of the packages in SAME, or if the cluster is lost.
        """
        task = ray.remote(_scored).options(num_cpus=self._threads, max_retries=RETRIES)
        pieces = self._pieces(configs)
        started = {
            task.remote([self._job], [configs[number] for number in piece], versions()): piece for piece in pieces
        }
        results: dict[int, Scored] = {}
        running = list(started)
        while running:
            on_progress(f"{len(pieces) - len(running)} of {len(pieces)} stacks, {_nodes()}")
            done, running = ray.wait(running, timeout=WAIT)
            for reference in done:
                piece = started[reference]
                results |= dict(zip(piece, _result(reference, len(piece)), strict=True))
        return [results[number] for number in range(len(configs))]

    def _pieces(self, configs: Sequence[Config]) -> list[NDArray]:
        """Return the indices in `configs` of each task: configs of one shape, split so that all slots have work."""
        stacks = list(self.stacks(configs).values())
        counts = [
            min(len(numbers), max(self.slots // len(stacks), math.ceil(len(numbers) * self.fits() / REPLICAS)))
            for numbers in stacks
        ]
        return [
            piece for numbers, count in zip(stacks, counts, strict=True) for piece in np.array_split(numbers, count)
        ]


@dataclass(frozen=True)
class _Job:
    """The arguments that all tasks of a sweep share."""

    table: StoredTable
    model: str
    parts: Sequence[Fold]
    seeds: int


def _scored(job: Sequence[Any], configs: Sequence[Config], expected: dict[str, str]) -> list[Scored]:
    """Run a task on a worker. `job` is a list of one reference, since Ray would fetch the value of a plain argument."""
    require_versions(expected)
    return _trainer(job[0]).scored(configs)


@lru_cache(maxsize=1)
def _trainer(reference: Any) -> Trainer:
    """Return the trainer of this worker; it is kept, so that later tasks use its compiled programs."""
    job = ray.get(reference)
    return Trainer(job.table.load(), job.model, job.parts, job.seeds)


def _threads() -> list[int]:
    """Return the number of CPUs of each living node; nodes without CPUs for tasks are left out."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [int(resources["CPU"]) for resources in alive if resources.get("CPU")]


def _nodes() -> str:
    nodes = len(_threads())
    return f"{nodes} node{'' if nodes == 1 else 's'}" if nodes else "no node is left, waiting for one"


def _result(task: Any, configs: int) -> list[Scored]:
    """Return the results of a finished task of `configs` configs."""
    try:
        return list(ray.get(task))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as error:
        reason = f"its worker was lost {RETRIES + 1} times: {str(error).split('.', maxsplit=1)[0]}"
        return [Scored(None, 0, 0, reason)] * configs
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        raise UserError(f"--engine ray: {' '.join(str(cause).split())[:500]}") from None
