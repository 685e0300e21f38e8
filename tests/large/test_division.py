"""Cells of large tables: every row is in one, folds train on the others, and joined results equal direct ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.data.folds import Split
from straightline.errors import UserError
from straightline.large.division import Division


@given(st.integers(50, 5_000), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_every_row_is_in_one_cell_whatever_rows_are_beside_it(rows: int, k: int, seed: int) -> None:
    division = Division(rows, k, seed)
    cells = division.cells_of(np.arange(rows))
    assert ((cells >= 0) & (cells < k)).all()
    assert cells[rows // 2 :].tolist() == division.cells_of(np.arange(rows // 2, rows)).tolist()
    for fold in range(k):
        assert division.is_trained(fold).tolist() == [cell != fold for cell in range(k)]


def test_cells_have_about_the_same_number_of_rows() -> None:
    counts = np.bincount(Division(1_000_000, 10, 7).cells_of(np.arange(1_000_000)))
    assert np.abs(counts - 100_000).max() < 5 * np.sqrt(100_000 * 0.9)


@given(st.integers(40, 3_000), st.integers(2, 10))
def test_cells_in_order_of_time_are_the_folds_of_small_tables(rows: int, k: int) -> None:
    division = Division(rows, k, 0, ordered=True)
    cells = division.cells_of(np.arange(rows))
    for fold in Split(ordered=True).folds(rows, k, 1, 0):
        assert np.flatnonzero(division.is_trained(fold.fold)[cells]).tolist() == fold.train.tolist()
        assert np.flatnonzero(cells == division.test_cell(fold.fold)).tolist() == fold.test.tolist()


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=3, max_size=12))
def test_results_of_training_rows_are_joined_in_the_order_of_cells(results: list[str | None]) -> None:
    k = len(results)
    division = Division(100, k, 0, most=5)
    absent = [fold for fold in division.folds if results[fold] is None or not _known(results, fold)]
    if absent:
        with pytest.raises(UserError, match=f"fold {absent[0]} of {k} has no row to t"):
            division.training_results(results, str.__add__)
        return
    expected = ["".join(_known(results, fold)) for fold in division.folds]
    assert division.training_results(results, str.__add__) == expected


def _known(results: list[str | None], fold: int) -> list[str]:
    return [each for cell, each in enumerate(results) if cell != fold and each is not None]


def test_models_are_fitted_in_the_first_folds_and_in_all_of_ordered_rows() -> None:
    assert list(Division(1_000, 10, 0).folds) == list(range(10))
    assert list(Division(1_000, 10, 0, most=5).folds) == list(range(5))
    assert list(Division(1_000, 3, 0, most=5).folds) == list(range(3))
    assert list(Division(1_000, 10, 0, ordered=True, most=5).folds) == list(range(10))


def test_rows_of_a_group_are_in_one_cell() -> None:
    keys = np.repeat(np.arange(100, dtype=np.uint64) * 2**50, 30)
    cells = Division(3_000, 5, 1).cells_of(keys)
    assert (cells.reshape(100, 30) == cells[::30, np.newaxis]).all()
