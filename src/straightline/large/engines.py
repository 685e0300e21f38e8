"""Choose who computes on large tables: the environment says it, since results do not depend on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from straightline.errors import UserError
from straightline.large.passes import THREADED, Engine

ENGINE = "STRAIGHTLINE_ENGINE"  # `local` or `ray`
ADDRESS = "RAY_ADDRESS"  # Ray's own variable


@contextmanager
def named_engine(name: str, address: str | None) -> Iterator[None]:
    """Let stages in this process and its children use the engine `name`, `local` or `ray`, at `address` or by default.

    Raises UserError for an address without a cluster.
    """
    if address is not None and name != "ray":
        raise UserError("--address: add --engine ray, since only a Ray cluster has an address")
    given = {ENGINE: name} | ({} if address is None else {ADDRESS: address})
    before = {key: os.environ.get(key) for key in given}
    os.environ |= given
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


@contextmanager
def chosen_engine() -> Iterator[Engine]:
    """Yield the engine that the environment variable STRAIGHTLINE_ENGINE names, by default the threads of this process.

    Raises UserError for another value, if Ray is not installed, or if its cluster cannot be reached.
    """
    name = os.environ.get(ENGINE, "local")
    if name == "local":
        yield THREADED
        return
    if name != "ray":
        raise UserError(f"{ENGINE}: expected local or ray, got {name!r}; correct the environment variable")
    from straightline.large.cluster import Cluster, connected

    with connected(None):
        yield Cluster()
