"""The stacks of a sweep as Ray tasks: on this machine, or on all nodes of a Ray cluster."""

import logging
import math
import os
import platform
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Config
from straightline.errors import UserError
from straightline.runtime.backend import import_tensorflow

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

try:
    import ray
except ModuleNotFoundError:
    raise UserError("--engine ray: Ray is not installed; pip install 'straightline[ray]'") from None

import_tensorflow()

from straightline.data.folds import Fold
from straightline.data.rows import Rows, joined
from straightline.data.training_table import TrainingTable
from straightline.runtime.threads import THREADS
from straightline.sweeps.trainer import OnProgress, Scored, Trainer

REPLICAS = 512  # of a task at most, where there is no room for more of them: each has a start to pay for
RETRIES = 3  # of a task whose worker, or whose node, is lost
SAME = ("straightline", "tensorflow", "keras", "numpy")  # packages on which losses depend
WAIT = 5.0  # seconds until the nodes are counted again


@contextmanager
def trainer(
    address: str | None, table: TrainingTable, model: str, parts: Sequence[Fold], seeds: int
) -> Iterator["RayTrainer"]:
    """Yield a trainer on the cluster at `address`, or, where that is None, on one that runs here or is started.

    Raises UserError where there is none.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        _require_answer(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"--engine ray: no cluster at {address or 'this machine'}: {reason} (docs/scaling.md)"
        ) from None
    try:
        yield RayTrainer(table, model, parts, seeds)
    finally:
        ray.shutdown()


def _require_answer(address: str | None) -> None:
    if address is not None and (place := urlsplit(f"//{address}")).port is not None:
        # Ray itself tries for more than ten minutes.
        socket.create_connection((place.hostname or "", place.port), timeout=WAIT).close()


class RayTrainer(Trainer):
    """Trains as `Trainer` does, with the same losses, by tasks that read the rows from Ray's object store."""

    def __init__(self, table: TrainingTable, model: str, parts: Sequence[Fold], seeds: int) -> None:
        super().__init__(table, model, parts, seeds)
        source = table.source
        groups = [ray.put(source.read(source.groups[[number]])) for number in source.groups]
        shared = replace(table, source=replace(source, read=_Groups(groups)))
        self._job = ray.put(_Job(shared, model, parts, seeds))
        threads = _threads()
        self._threads = min(THREADS, max(threads, default=THREADS))
        self.slots = max(1, sum(own // THREADS for own in threads))

    def scored(self, configs: Sequence[Config], on_progress: OnProgress = lambda now: None) -> list[Scored]:
        """Return what each of `configs` comes to, in their order; those whose worker was lost again and again failed.

        Raises UserError for a node with other packages, and where the cluster is lost.
        """
        task = ray.remote(_scored).options(num_cpus=self._threads, max_retries=RETRIES)
        pieces = self._pieces(configs)
        asked = {task.remote([self._job], [configs[number] for number in own], _versions()): own for own in pieces}
        found: dict[int, Scored] = {}
        left = list(asked)
        while left:
            on_progress(f"{len(pieces) - len(left)} of {len(pieces)} stacks, {_nodes()}")
            done, left = ray.wait(left, timeout=WAIT)
            for one in done:
                found |= dict(zip(asked[one], _result(one, len(asked[one])), strict=True))
        return [found[number] for number in range(len(configs))]

    def _pieces(self, configs: Sequence[Config]) -> list[NDArray]:
        stacks = list(self.stacks(configs).values())
        counts = [
            min(len(own), max(self.slots // len(stacks), math.ceil(len(own) * self.fits() / REPLICAS)))
            for own in stacks
        ]
        return [part for own, count in zip(stacks, counts, strict=True) for part in np.array_split(own, count)]


@dataclass(frozen=True)
class _Job:
    """All that the tasks of a sweep have in common."""

    table: TrainingTable
    model: str
    parts: Sequence[Fold]
    seeds: int


@dataclass(frozen=True)
class _Groups:
    """A source's `read` of groups in the object store."""

    stored: Sequence[Any]

    def __call__(self, groups: NDArray) -> Rows:
        # Where it is one group, its arrays are in memory that all tasks of a node share.
        return joined(ray.get([self.stored[number] for number in groups]))


def _scored(job: Sequence[Any], configs: Sequence[Config], expected: dict[str, str]) -> list[Scored]:
    if (own := _versions()) != expected:
        differ = [f"{name} {own[name]}, expected {expected[name]}" for name in SAME if own[name] != expected[name]]
        raise UserError(f"node {platform.node()} has {', '.join(differ)}; install the same on all")
    return _trainer(job[0]).scored(configs)


@lru_cache(maxsize=1)
def _trainer(job: Any) -> Trainer:
    """Return the trainer of this worker, which keeps what it has compiled from task to task."""
    own = ray.get(job)
    return Trainer(own.table, own.model, own.parts, own.seeds)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in SAME}


def _threads() -> list[int]:
    """Return how many tasks' threads each node has room for, those that take none left out."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [int(own["CPU"]) for own in alive if own.get("CPU")]


def _nodes() -> str:
    nodes = len(_threads())
    return f"{nodes} node{'' if nodes == 1 else 's'}" if nodes else "no node left: waiting for one"


def _result(task: Any, configs: int) -> list[Scored]:
    try:
        return list(ray.get(task))
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError) as error:
        reason = f"its worker was lost {RETRIES + 1} times: {str(error).split('.', maxsplit=1)[0]}"
        return [Scored(None, 0, 0, reason)] * configs
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", error)
        raise UserError(f"--engine ray: {' '.join(str(cause).split())[:500]}") from None
