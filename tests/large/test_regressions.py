"""Regressions on a large table equal those on the same rows in memory: coefficients, errors, and losses of folds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.large.drawn import Drawn, drawn

from straightline.large import table as large_table
from straightline.large.division import Division
from straightline.large.regressions import Lines, regressions
from straightline.regression import exact
from straightline.regression.optimum import Inference
from straightline.training.scoring import fold_losses, regression_predictor

FAMILIES = ["gaussian", "bernoulli", "multinomial", "poisson", "gamma"]
ROBUST = Inference(robust=True)


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_table, "LEAF_ROWS", 1_000)


def assert_equal(data: Drawn, division: Division, lines: Lines, inference: Inference, intercept: bool = True) -> None:
    table, folds = data.held, data.folds(division)
    everything = np.arange(len(table.labels), dtype=np.int32)
    features = table.source.read(table.source.groups).features
    options = {"family": table.family, "names": table.names, "intercept": intercept, "classes": table.classes}
    (best,) = exact.optima(table.source, [everything], inference=inference, **options)
    np.testing.assert_allclose(lines.best.coefficients, best.coefficients, rtol=1e-9, atol=1e-10)
    assert lines.best.covariance is not None
    assert best.covariance is not None
    size = np.sqrt(np.outer(*[np.diag(best.covariance)] * 2))
    np.testing.assert_allclose(lines.best.covariance, best.covariance, rtol=1e-8, atol=1e-9 * size.max())
    assert lines.best.loss == pytest.approx(best.loss, rel=1e-12)
    assert lines.best.messages == best.messages
    trains = [fold.train for fold in folds]
    optima = exact.optima(table.source, trains, start=best, inference=None, **options)
    losses = fold_losses(table, folds, [regression_predictor(each, table.family) for each in optima])
    for line, optimum, loss, fold in zip(lines.folds, optima, losses, folds, strict=True):
        # Coefficients of collinear columns may differ in what does not change a prediction.
        np.testing.assert_allclose(line.optimum.predict(features), optimum.predict(features), rtol=1e-8, atol=1e-9)
        assert line.loss == pytest.approx(loss["loss"], rel=1e-10)
        assert line.mean_loss == pytest.approx(loss["mean_loss"], rel=1e-10)
        assert (line.test.rows, line.train.rows) == (len(fold.test), len(fold.train))


@pytest.mark.parametrize(("weights", "inference"), [(False, ROBUST), (True, Inference())], ids=["robust", "weights"])
@pytest.mark.parametrize("family", FAMILIES)
def test_all_families(family: str, weights: bool, inference: Inference, tmp_path: Path) -> None:
    data = drawn(tmp_path, family, weights=weights)
    division = Division(data.large.rows, 5, 0)
    assert_equal(data, division, regressions(data.large, division, inference), inference)


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_exposure(family: str, tmp_path: Path) -> None:
    data = drawn(tmp_path, family, exposure=True)
    division = Division(data.large.rows, 4, 3)
    assert_equal(data, division, regressions(data.large, division, Inference()), Inference())


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_in_order_of_time(family: str, tmp_path: Path) -> None:
    data = drawn(tmp_path, family, ordered=True)
    division = Division(data.large.rows, 5, 0, ordered=True)
    assert_equal(data, division, regressions(data.large, division, Inference()), Inference())


@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "poisson"])
def test_without_an_intercept(family: str, tmp_path: Path) -> None:
    data = drawn(tmp_path, family)
    division = Division(data.large.rows, 5, 0)
    lines = regressions(data.large, division, Inference(), intercept=False)
    assert_equal(data, division, lines, Inference(), intercept=False)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli", "multinomial", "poisson"])
def test_columns_that_are_constant_in_the_training_rows_of_some_folds(family: str, tmp_path: Path) -> None:
    rows = 3_000
    features = np.random.default_rng(1).normal(size=(rows, 4))
    features[:, 2] = np.arange(rows) >= 0.75 * rows  # It varies in the last quarter only, so that early folds miss it.
    features[:, 3] = features[:, 0] - features[:, 1]  # Collinear columns have the minimum-norm weights.
    data = drawn(tmp_path, family, features=features, ordered=True)
    division = Division(rows, 5, 0, ordered=True)
    assert_equal(data, division, regressions(data.large, division, Inference()), Inference())


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.floats(-1e4, 1e4), st.floats(1e-2, 1e3))
def test_columns_far_from_zero(
    tmp_path_factory: pytest.TempPathFactory, seed: int, k: int, shift: float, scale: float
) -> None:
    features = np.random.default_rng(seed).normal(size=(2_000, 3)) * scale + shift
    data = drawn(tmp_path_factory.mktemp("rows"), features=features, seed=seed)
    division = Division(2_000, k, seed)
    table, folds = data.held, data.folds(division)
    lines = regressions(data.large, division, Inference())
    optima = exact.optima(table.source, [fold.train for fold in folds], table.family, table.names, inference=None)
    losses = fold_losses(table, folds, [regression_predictor(each, table.family) for each in optima])
    for line, optimum, loss in zip(lines.folds, optima, losses, strict=True):
        np.testing.assert_allclose(line.optimum.predict(features), optimum.predict(features), atol=1e-8)
        assert line.loss == pytest.approx(loss["loss"], rel=1e-8)
