"""A table that is streamed group by group against the same table held in memory."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from straightline.data import scaling
from straightline.data.folds import Split
from straightline.data.passes import Pass, in_step, one_pass
from straightline.data.rows import Rows, joined
from straightline.data.source import Source, held, streamed, with_row_values
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.training import feed, fit
from straightline.training.batches import Replica, epoch_batches
from straightline.training.variants import train
from tests.builders import descent, folds, labels_of, neural, regression
from tests.builders import fit as fit_settings

ROWS, NAMES = 620, ["a", "b", "c"]


def table(family: str) -> Rows:
    """Return rows whose columns have units as far apart as users' do."""
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 3)) * [1, 50, 1e-2] + [0, 1e4, 3]
    score = features @ [1.0, 0.02, 100] + np.sin(3 * features[:, 0]) + random.normal(size=ROWS)
    return Rows(features, labels_of(score - score.mean(), family))


def both(folder: Path, family: str, group: int = 64, block: int = 128) -> tuple[Source, Source]:
    """Return the same rows held and streamed."""
    rows = table(family)
    path = folder / "rows.parquet"
    pd.DataFrame(rows.features, columns=NAMES).assign(y=rows.labels).to_parquet(path, row_group_size=group)
    return held(rows), streamed(path, NAMES, "y", block)


def test_groups_are_the_rows_in_order(tmp_path: Path) -> None:
    _, source = both(tmp_path, "bernoulli")
    rows = table("bernoulli")
    blocks = source.blocks(source.groups, source.block_groups)
    parts = [source.read(block) for block in blocks]
    assert [block.tolist() for block in blocks] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert [len(part) for part in parts] == [128] * 4 + [108]
    np.testing.assert_array_equal(np.concatenate([part.features for part in parts]), rows.features)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), rows.labels)


def test_blas_has_one_thread_between_the_passes_too() -> None:
    """Firth's estimate, for example, is computed there: on busy cores several threads took a thousand times as long."""
    before = blas_threads()

    def computation() -> Generator[Pass, int, list[set[int]]]:
        seen = [blas_threads()]
        yield Pass(len, int.__add__)
        return [*seen, blas_threads()]

    assert in_step(held(table("gaussian")), [np.arange(ROWS)], [computation()], "threads") == [[{1}, {1}]]
    assert blas_threads() == before


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_part_is_passed_once_however_the_rows_are_grouped(sizes: list[int], block: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    offsets = np.cumsum([0, *sizes])
    features = random.normal(size=(offsets[-1], 2)) * 1e3 ** random.integers(-2, 3, size=2) + 7
    labels = random.normal(size=offsets[-1])
    source = Source(
        offsets,
        2,
        lambda groups: Rows(*(whole[offsets[groups[0]] : offsets[groups[-1] + 1]] for whole in (features, labels))),
        block,
    )
    part = np.flatnonzero(random.random(offsets[-1]) < 0.7)
    if not len(part):
        return
    (rows,) = one_pass(source, [part], [Pass(lambda rows: rows, lambda first, second: joined([first, second]))])
    np.testing.assert_array_equal(rows.features, features[part])
    (moments,) = one_pass(source, [part], [Pass(scaling.moments, scaling.joined)])
    np.testing.assert_allclose(moments.means, features[part].mean(axis=0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(moments.squares, len(part) * features[part].var(axis=0), rtol=1e-9, atol=1e-9)
    assert moments.target_mean == pytest.approx(labels[part].mean(), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_exact_optimum_is_that_of_the_held_table(tmp_path: Path, family: str) -> None:
    whole, source = both(tmp_path, family)
    parts = [np.arange(ROWS), np.arange(0, ROWS, 3), np.arange(70, 130)]
    for one, other in zip(
        *(exact.optima(rows, parts, FAMILIES[family], NAMES) for rows in (whole, source)), strict=True
    ):
        np.testing.assert_allclose(one.coefficients, other.coefficients, rtol=1e-8)
        np.testing.assert_allclose(one.covariance, other.covariance, rtol=1e-6)
        assert one.loss == pytest.approx(other.loss, rel=1e-11)
        assert (one.messages, one.degrees_of_freedom) == (other.messages, other.degrees_of_freedom)


def test_separated_classes_are_found_in_a_streamed_table(tmp_path: Path) -> None:
    whole, _ = both(tmp_path, "bernoulli")
    features = whole.read(np.arange(1)).features
    clear = (features[:, 0] > 0).astype(float)
    path = tmp_path / "clear.parquet"
    pd.DataFrame(features, columns=NAMES).assign(y=clear).to_parquet(path, row_group_size=64)
    fitted = [
        exact.optima(rows, [np.arange(ROWS)], FAMILIES["bernoulli"], NAMES)[0]
        for rows in (held(Rows(features, clear)), streamed(path, NAMES, "y", 64))
    ]
    assert [one.method for one in fitted] == ["firth", "firth"]
    np.testing.assert_allclose(fitted[0].coefficients, fitted[1].coefficients, rtol=1e-6)


HOW = descent(steps=31, epochs=6, standardize=True)


def replicas(count: int) -> list[Replica]:
    return [Replica(*Split().set_aside(np.arange(ROWS), 0.2, seed), seed) for seed in range(count)]


def test_a_streamed_stack_of_many_equals_stacks_of_one(tmp_path: Path) -> None:
    _, source = both(tmp_path, "gaussian")
    model = neural().build(3, 1, "linear", "float64")
    together = fit.fit(model, source, replicas(5), HOW)
    for replica, one in list(zip(replicas(5), together, strict=True))[1:4:2]:
        (alone,) = fit.fit(model, source, [replica], HOW)
        assert (alone.best_epoch, len(alone.losses)) == (one.best_epoch, len(one.losses))
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-10)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


def test_a_streamed_descent_is_that_of_a_held_table_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every group a block: where the held table's rows come in the order of the blocks, both see the same batches."""
    whole, source = both(tmp_path, "gaussian", group=124, block=124)
    how = replace(HOW, steps=40, epochs=3, patience=3)  # 5 groups of 124 rows have 8 steps each
    model = neural().build(3, 1, "linear", "float64")
    (every,) = [Replica(np.arange(ROWS), np.arange(0), 3)]
    streamed_fit = fit.fit(model, source, [every], how)[0]

    orders, draws = np.random.default_rng(0), np.random.default_rng([3, 1])  # of the blocks, of the replica's rows

    def in_blocks(rows: np.ndarray, size: int, steps: int, epochs: int, _: np.random.Generator) -> np.ndarray:
        blocks = [orders.permutation(5) for _ in range(epochs)]
        parts = [[(one, epoch_batches(np.arange(124), size, 8, 1, draws)[0]) for one in block] for block in blocks]
        return np.stack([np.concatenate([np.where(own < 0, -1, 124 * one + own) for one, own in of]) for of in parts])

    monkeypatch.setattr(feed, "epoch_batches", in_blocks)
    monkeypatch.setattr(feed, "epoch_rows", lambda rows, *_: rows)
    held_fit = fit.fit(model, whole, [every], how)[0]
    np.testing.assert_allclose(held_fit.losses, streamed_fit.losses, rtol=1e-9)
    np.testing.assert_allclose(held_fit.monitored, streamed_fit.monitored, rtol=1e-9)
    for first, second in zip(held_fit.weights, streamed_fit.weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-8)


FIT = fit_settings(dtype="float32", patience=3, held_rows=512)
FOLDS = folds()


@pytest.mark.parametrize(
    "family",
    [
        "gaussian",
        "bernoulli",
        "poisson",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("multinomial", "gamma")),
    ],
)
def test_a_streamed_regression_is_that_of_the_held_table(tmp_path: Path, family: str) -> None:
    labels, random = table(family).labels, np.random.default_rng(0)
    values: dict[str, np.ndarray] = {}
    if family not in ("gaussian", "bernoulli"):
        values["weights"] = random.integers(1, 4, ROWS).astype(float)
    if FAMILIES[family].has_offset:
        values["offset"] = random.normal(size=ROWS)
    sources = (
        with_row_values(source, values.get("weights"), values.get("offset")) for source in both(tmp_path, family)
    )
    tables = (TrainingTable(source, labels, NAMES, FAMILIES[family], True, **values) for source in sources)
    one, other = (train(each, regression(), FIT, FOLDS, lambda *now: None) for each in tables)
    exact_columns = [name for name in one.coefficients if name not in ("term", "trained")]
    np.testing.assert_allclose(one.coefficients[exact_columns], other.coefficients[exact_columns], rtol=1e-6)
    for first, second in ((one.folds, other.folds), (one.learning, other.learning)):
        np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-9)
    np.testing.assert_allclose(one.folds["mean_loss"], other.folds["mean_loss"], rtol=1e-12)
    assert other.certificate.exact_loss == pytest.approx(one.certificate.exact_loss, rel=1e-11)


def test_a_streamed_network_learns_what_the_held_one_does(tmp_path: Path) -> None:
    labels = table("gaussian").labels
    how = replace(FIT, epochs=120, patience=120)
    one, other = (
        train(TrainingTable(source, labels, NAMES, FAMILIES["gaussian"], True), neural(), how, FOLDS, lambda *now: None)
        for source in both(tmp_path, "gaussian")
    )
    assert one.folds["steps"].tolist() == other.folds["steps"].tolist()
    assert (other.folds["loss"] < 0.75 * other.folds["mean_loss"]).all()
    np.testing.assert_allclose(one.folds["loss"], other.folds["loss"], rtol=0.15)
