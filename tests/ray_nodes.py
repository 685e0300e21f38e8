"""Clusters of Ray for tests, with all nodes on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.cluster_utils import Cluster

MEMORY = 100 * 2**20  # bytes of a node's object store


@contextmanager
def ray_nodes(processors: int) -> Iterator[Cluster]:
    """Yield a head that runs no tasks, and a node that runs so many at a time."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    made.add_node(num_cpus=processors, object_store_memory=MEMORY)
    yield made
    made.shutdown()
