"""Passes give the same bits with one thread, several threads, and Ray tasks, and read each row once."""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.large.drawn import GROUP_ROWS, drawn

from straightline.data.passes import Pass
from straightline.large import table as large_table
from straightline.large.division import Division
from straightline.large.passes import NODE, Combine, Engine, Task, Threads, by_cell, collected, reduced
from straightline.large.regressions import regressions
from straightline.large.table import LargeTable, Leaf
from straightline.regression.optimum import Inference


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_table, "LEAF_ROWS", GROUP_ROWS)


@dataclass(frozen=True)
class Backwards:
    """An engine that computes the last node first."""

    def nodes(self, task: Task, combine: Combine, nodes: Sequence[Sequence[Leaf]]) -> Iterator[Any]:
        return iter([*Threads(1).nodes(task, combine, nodes[::-1])][::-1])


def _numbers(table: LargeTable, leaf: Leaf) -> list[int]:
    return list(table.read(leaf).numbers)


def test_each_row_is_read_once_and_in_order(tmp_path: Path) -> None:
    data = drawn(tmp_path, rows=NODE * GROUP_ROWS + 777)
    rows = reduced(data.large, partial(_numbers, data.large), operator.add, "rows")
    assert rows == list(range(data.large.rows))


@pytest.mark.parametrize("engine", [Threads(4), Backwards()], ids=["four", "backwards"])
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_same_bits_from_any_workers(family: str, engine: Engine, tmp_path: Path) -> None:
    data = drawn(tmp_path, family, rows=2 * NODE * GROUP_ROWS + 1)
    division = Division(data.large.rows, 5, 0)
    inference = Inference(robust=True)
    usual, other = (regressions(data.large, division, inference, engine=each) for each in (Threads(), engine))
    assert (usual.best.coefficients == other.best.coefficients).all()
    assert usual.best.covariance is not None
    assert other.best.covariance is not None
    assert (usual.best.covariance == other.best.covariance).all()
    for one, two in zip(usual.folds, other.folds, strict=True):
        assert (one.optimum.coefficients == two.optimum.coefficients).all()
        assert (one.loss, one.mean_loss) == (two.loss, two.mean_loss)


def test_results_of_cells(tmp_path: Path) -> None:
    data = drawn(tmp_path)
    division = Division(data.large.rows, 7, 5)
    (sums,) = by_cell(data.large, division, [Pass(lambda rows: rows.labels.sum(), operator.add)], "sums")
    cells = division.cells_of(np.arange(data.large.rows))
    np.testing.assert_allclose(sums, np.bincount(cells, data.held.labels), rtol=1e-12)


def test_a_larger_sample_has_all_rows_of_a_smaller_one(tmp_path: Path) -> None:
    data = drawn(tmp_path)
    small, large = (collected(data.large, size, "sample") for size in (500, 1_000))
    assert set(small.numbers) < set(large.numbers)
    assert 850 < len(large.numbers) < 1_150
    assert (large.rows.labels == data.held.labels[large.numbers]).all()
    assert len(collected(data.large, data.large.rows, "sample").numbers) == data.large.rows
