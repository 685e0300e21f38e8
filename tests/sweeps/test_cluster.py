"""A sweep's stacks as Ray tasks: the same losses as here, on two nodes, of which one is killed in the middle."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import ray
from ray.cluster_utils import Cluster
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.data.source import streamed, with_row_values
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.large.cluster import SAME
from straightline.sweeps import cluster
from straightline.sweeps.trainer import Scored, Trainer
from tests.builders import rows_of
from tests.drawn import drawn_table
from tests.ray_nodes import MEMORY, ray_nodes
from tests.sweeps.cases import QUICK, curved, space_of, write_own

RATES, WIDTHS = "models.neural.learning_rate=0.003,0.03", "models.neural.hidden=[4],[3,3]"
VARIED = (RATES, WIDTHS, "fit.seed=range(0,6)", "fit.epochs=9")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A head that runs no tasks, and a node that runs one at a time."""
    with ray_nodes(1) as made:
        yield made


def both(table: TrainingTable, address: str, told: object = None) -> tuple[list[Scored], list[Scored]]:
    configs = [space_of(*VARIED).config(point) for point in space_of(*VARIED).points()]
    of = table, "neural", table.split.folds(len(table.labels), 3, 1, 0), 2
    with cluster.trainer(address, *of) as remote:
        far = remote.scored(configs, *([told] if told else []))
    return far, Trainer(*of).scored(configs)


def assert_same(far: list[Scored], near: list[Scored]) -> None:
    for one, other in zip(far, near, strict=True):
        np.testing.assert_array_equal(one.losses, other.losses)
        assert replace(one, losses=None) == replace(other, losses=None)


@pytest.mark.slow
def test_one_of_two_nodes_is_killed_and_nothing_is_lost(nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "REPLICAS", 24)
    for node in set(nodes.worker_nodes):
        nodes.remove_node(node)
    lost, kept = (nodes.add_node(num_cpus=2, object_store_memory=MEMORY) for _ in range(2))
    told: list[str] = []

    def kill_one(now: str) -> None:
        told.append(now)
        if now.startswith("1 of ") and lost in nodes.worker_nodes:
            for _ in range(1000):  # until both nodes are at work again
                if not ray.available_resources().get("CPU"):
                    break
                time.sleep(0.01)
            else:
                raise AssertionError("the nodes are idle")
            nodes.remove_node(lost, allow_graceful=False)

    far, near = both(curved(), nodes.address, kill_one)
    assert told[0] == "0 of 6 stacks, 2 nodes"
    assert nodes.worker_nodes == {kept}
    assert_same(far, near)


@pytest.mark.slow
def test_a_streamed_table_is_read_from_the_object_store(nodes: Cluster, tmp_path: Path) -> None:
    table = curved(rows=400)
    rows = rows_of(table)
    columns = {"a": rows.features[:, 0], "b": rows.features[:, 1], "y": rows.labels}
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=50)
    source = streamed(tmp_path / "rows.parquet", ["a", "b"], "y", block_rows=100)
    assert_same(*both(replace(table, source=source), nodes.address))


@pytest.mark.slow
@pytest.mark.parametrize("family", ["multinomial", "poisson"])
def test_weights_offsets_and_classes_reach_the_nodes(nodes: Cluster, family: str, tmp_path: Path) -> None:
    table = drawn_table(family, 400, weighted=True, exposed=True)
    rows = rows_of(table)
    columns = {"a": rows.features[:, 0], "b": rows.features[:, 1], "y": rows.labels}
    pa.parquet.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=50)
    source = streamed(tmp_path / "rows.parquet", ["a", "b"], "y", block_rows=100)
    source = with_row_values(source, table.weights, table.offset)
    assert_same(*both(replace(table, source=source), nodes.address))


@pytest.mark.slow
def test_a_stack_whose_worker_is_lost_each_time_has_failed_and_other_packages_are_refused(
    nodes: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = curved()
    with cluster.trainer(nodes.address, table, "neural", table.split.folds(120, 3, 1, 0), 1) as remote:
        crash = ray.remote(lambda: os._exit(1)).options(max_retries=0).remote()
        (one, other) = cluster._result(crash, 2)
        assert one == other == Scored(None, 0, 0, one.reason)
        assert "its worker was lost" in str(one.reason)
        monkeypatch.setattr(cluster, "versions", lambda: dict.fromkeys(SAME, "0"))
        with pytest.raises(UserError, match=r"--engine ray: node .* has straightline .*, expected 0, .*; install"):
            remote.scored([space_of(*VARIED).config(space_of(*VARIED).points()[0])])


@pytest.mark.slow
def test_the_command_writes_the_same_ranking(nodes: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_own(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["sweep", RATES, WIDTHS, *QUICK[:-1], "--table", "own.csv", "--target", "y", "--no-track"]
    for name, where in (("near", []), ("far", ["--engine", "ray", "--address", nodes.address])):
        found = CliRunner().invoke(app, [*words, "--name", name, *where])
        assert found.exit_code == 0, found.output
    assert (tmp_path / "sweeps/near.csv").read_bytes() == (tmp_path / "sweeps/far.csv").read_bytes()


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:1", "no.such.host.invalid:6379"])
def test_no_cluster_is_said(address: str) -> None:
    with (
        pytest.raises(UserError, match=f"--engine ray: no cluster at {address}: "),
        cluster.trainer(address, curved(), "neural", [], 1),
    ):
        raise AssertionError
