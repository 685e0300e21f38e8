"""Answers on a Ray cluster: the bits of threads, also if a node is killed in the middle, and errors in one line."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray
from ray.cluster_utils import Cluster as Nodes
from tests import builders
from tests.large.drawn import GROUP_ROWS, drawn
from tests.large.test_variants import averaged, fit_settings
from tests.ray_nodes import MEMORY, ray_nodes
from typer.testing import CliRunner

from straightline.__main__ import app
from straightline.errors import UserError
from straightline.large import cluster
from straightline.large import table as large_table
from straightline.large.cluster import Cluster, connected
from straightline.large.division import Division
from straightline.large.engines import ADDRESS, ENGINE, chosen_engine, named_engine
from straightline.large.passes import NODE, THREADED
from straightline.large.regressions import regressions
from straightline.large.table import LargeTable, Leaf
from straightline.large.variants import train_large
from straightline.regression.optimum import Inference


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_table, "LEAF_ROWS", GROUP_ROWS)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head that runs no tasks, and a node that runs two at a time."""
    with ray_nodes(2) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "multinomial"])
def test_regressions_have_the_bits_of_threads(nodes: Nodes, family: str, tmp_path: Path) -> None:
    table = drawn(tmp_path, family, rows=4 * NODE * GROUP_ROWS).large
    division = Division(table.rows, 4, 0)
    near = regressions(table, division, Inference(robust=True))
    with connected(nodes.address):
        far = regressions(table, division, Inference(robust=True), engine=Cluster())
    assert (near.best.coefficients == far.best.coefficients).all()
    assert [fold.loss for fold in near.folds] == [fold.loss for fold in far.folds]
    assert near.best.covariance is not None
    assert far.best.covariance is not None
    assert (near.best.covariance == far.best.covariance).all()


@pytest.mark.slow
def test_a_node_with_other_versions_is_refused(nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = drawn(tmp_path, rows=4 * GROUP_ROWS).large
    monkeypatch.setattr(cluster, "versions", lambda: dict.fromkeys(cluster.SAME, "0"))
    with (
        connected(nodes.address),
        pytest.raises(UserError, match=r"node .* has straightline .*, expected 0, .*; install the same versions"),
    ):
        regressions(table, Division(table.rows, 4, 0), None, engine=Cluster())


@pytest.mark.slow
@pytest.mark.parametrize("model", [averaged(), builders.neural()], ids=["averaged", "single"])
def test_networks_are_those_of_threads(nodes: Nodes, model, tmp_path: Path) -> None:
    table = drawn(tmp_path, rows=6_000, weights=True).large
    near = train_large(table, model, fit_settings(flat=0.0), Division(6_000, 3, 0))
    with connected(nodes.address):
        far = train_large(table, model, fit_settings(flat=0.0), Division(6_000, 3, 0), Cluster())
    pd.testing.assert_frame_equal(near.folds, far.folds, check_exact=True)
    pd.testing.assert_frame_equal(near.learning, far.learning, check_exact=True)
    assert near.weights["growth"] == far.weights["growth"]
    assert [path.name for path in tmp_path.iterdir()] == ["train.parquet"]  # The files of samples are removed.


@pytest.mark.slow
def test_a_node_is_killed_in_the_middle_and_nothing_is_lost(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = drawn(tmp_path, "bernoulli", rows=12 * NODE * GROUP_ROWS).large
    division = Division(table.rows, 4, 0)
    near = regressions(table, division, Inference())
    lost = nodes.add_node(num_cpus=2, object_store_memory=MEMORY)
    killed = []
    result = cluster._result

    def killing(reference: object, what: str) -> object:
        found = result(reference, what)
        if not killed:
            assert ray.cluster_resources()["CPU"] == 4  # type: ignore[no-untyped-call]
            nodes.remove_node(lost, allow_graceful=False)
            killed.append(what)
        return found

    monkeypatch.setattr(cluster, "_result", killing)
    with connected(nodes.address):
        far = regressions(table, division, Inference(), engine=Cluster())
    assert len(killed) == 1
    assert [fold.loss for fold in near.folds] == [fold.loss for fold in far.folds]
    assert (near.best.coefficients == far.best.coefficients).all()


def _broken(table: LargeTable, leaf: Leaf) -> int:
    if leaf.first_row:
        raise ValueError(f"cannot read {table.path.name}")
    return 1


@pytest.mark.slow
def test_a_task_that_fails_is_told_with_its_rows(nodes: Nodes, tmp_path: Path) -> None:
    from functools import partial
    from operator import add

    from straightline.large.passes import reduced

    table = drawn(tmp_path, rows=2 * NODE * GROUP_ROWS).large
    with connected(nodes.address), pytest.raises(UserError, match=r"--engine ray: rows from 1 on: a task failed: .*"):
        reduced(table, partial(_broken, table), add, "rows", Cluster())


def test_without_a_name_the_threads_of_this_process_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENGINE, raising=False)
    with chosen_engine() as engine:
        assert engine is THREADED


def test_an_unknown_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENGINE, "spark")
    with pytest.raises(UserError, match="STRAIGHTLINE_ENGINE: expected local or ray, got 'spark'"), chosen_engine():
        pass


def test_a_named_engine_is_that_of_stages_and_then_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv(ENGINE, "local")
    monkeypatch.delenv(ADDRESS, raising=False)
    with named_engine("ray", "host:1"):
        assert (os.environ[ENGINE], os.environ[ADDRESS]) == ("ray", "host:1")
    assert os.environ[ENGINE] == "local"
    assert ADDRESS not in os.environ


def test_an_address_without_a_cluster(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n" + "\n".join(f"{row},{row % 7}" for row in range(50)))
    ended = CliRunner().invoke(app, ["run", str(path), "--target", "y", "--address", "host:1"])
    assert "--address: add --engine ray, since only a Ray cluster has an address" in str(
        ended.exception or ended.output
    )


def test_an_address_at_which_nobody_listens() -> None:
    with pytest.raises(UserError, match=r"--engine ray: no cluster at 127.0.0.1:9: "), connected("127.0.0.1:9"):
        pass


def test_shares_of_row_sets_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "processors", 6)
    shares = Cluster().shares(11)
    assert [number for share in shares for number in share] == list(range(11))
    assert len(shares) == 3
    assert THREADED.shares(11) == [range(11)]
    assert np.ptp([len(share) for share in shares]) <= 1
