"""Variants on large tables: their losses are those of the same models on the same rows in memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests import builders
from tests.large.drawn import drawn

from straightline.comparison.judgement import Rules, judge
from straightline.config.settings import Fit, Folds, Growth
from straightline.data.schema import Division as Divided
from straightline.data.schema import RowCounts, Schema
from straightline.errors import UserError
from straightline.families.target import Target
from straightline.large import networks, samples
from straightline.large import table as large_table
from straightline.large.division import Division, divided
from straightline.large.passes import THREADED
from straightline.large.variants import train_large
from straightline.models import Averaged, Choices, Neural
from straightline.training.records import Trained
from straightline.training.scoring import fold_losses

ROWS = 6_000
DIVISION = Division(ROWS, 3, 0)
FIT = builders.fit(epochs=2, batch_size=64)


@pytest.fixture(autouse=True)
def small_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_table, "LEAF_ROWS", 1_000)


def averaged(**changes: object) -> Averaged:
    choices = Choices(hidden=[[4]], learning_rate=[0.01], l2=[0.0])
    settings = {"kind": "averaged", "hidden": [4], "learning_rate": 0.01, "l2": 0.0, "members": 2, "line": None}
    return Averaged(**settings | {"activation": "relu", "choices": choices} | changes)  # type: ignore[arg-type]


def fit_settings(**growth: object) -> Fit:
    return builders.fit(epochs=2, batch_size=64, growth=Growth(**{"first": 1_000} | growth))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "model"), [("gaussian", averaged()), ("bernoulli", builders.neural())], ids=["averaged", "single"]
)
def test_losses_of_a_network_are_those_of_its_predictions(
    family: str, model: Averaged | Neural, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn(tmp_path, family, ROWS, weights=family == "gaussian")
    division = Division(ROWS, 3, 0)
    learned: list[networks.Learned] = []
    monkeypatch.setattr(networks, "_scored", _noting(learned))
    trained, grown = networks.train_network(data.large, division, model, fit_settings(flat=0.0), THREADED)
    assert [look.rows for look in grown.looks[-1:]] == [ROWS]
    expected = fold_losses(data.held, data.folds(division), learned[-1].predictors)
    np.testing.assert_allclose(trained.folds["loss"], [each["loss"] for each in expected], rtol=1e-10)
    np.testing.assert_allclose(trained.folds["mean_loss"], [each["mean_loss"] for each in expected], rtol=1e-10)
    np.testing.assert_allclose(trained.folds["loss"], grown.looks[-1].network, rtol=1e-10)
    assert trained.folds["rows"].sum() == ROWS
    assert (trained.folds["rows"] + trained.folds["train_rows"] == ROWS).all()
    earlier = [fold_losses(data.held, data.folds(division), each.predictors) for each in learned[:-1]]
    curve = [each[fold]["loss"] for fold in range(2) for each in earlier]
    np.testing.assert_allclose(trained.learning["loss"], curve, rtol=1e-10)


def _noting(learned: list[networks.Learned]):
    scored = networks._scored

    def noted(table, division, steps, grown, engine) -> Trained:
        learned.extend(steps)
        return scored(table, division, steps, grown, engine)

    return noted


def test_a_sample_in_a_file_trains_the_same_shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = drawn(tmp_path, "gaussian", ROWS, weights=True)
    division = Division(ROWS, 3, 0)
    held = next(samples.growing(data.large, division, [2_000]))
    features = held.rows.source.read(held.rows.source.groups)
    monkeypatch.setattr(samples, "HELD_VALUES", 1_000)
    reading = samples.growing(data.large, division, [2_000])
    streamed = next(reading)
    rows = streamed.rows.source.read(streamed.rows.source.groups)
    (lines, others) = (streamed.passes.leaves, streamed.passes.read(streamed.passes.leaves[0]))
    reading.close()
    assert (rows.features == features.features).all()
    assert (rows.labels == features.labels).all()
    assert rows.weights is not None
    assert features.weights is not None
    assert (rows.weights == features.weights).all()
    assert [fold.train.tolist() for fold in held.folds] == [fold.train.tolist() for fold in streamed.folds]
    assert len(lines) == 6
    assert (others.rows.features == features.features[: len(others.rows)]).all()


def test_rows_that_were_read_serve_smaller_samples(tmp_path: Path) -> None:
    data = drawn(tmp_path, rows=ROWS)
    division = Division(ROWS, 3, 0)
    together = list(samples.growing(data.large, division, [500, 2_000, ROWS]))
    for size, sample in zip([500, 2_000, ROWS], together, strict=True):
        (alone,) = samples.growing(data.large, division, [size])
        assert (sample.rows.labels == alone.rows.labels).all()
        assert [fold.test.tolist() for fold in sample.folds] == [fold.test.tolist() for fold in alone.folds]
        rows = [sample.passes.read(leaf).rows.labels for leaf in sample.passes.leaves]
        assert (np.concatenate(rows) == alone.rows.labels).all()


def test_a_regression_has_its_exact_losses_and_a_certificate_of_a_sample(tmp_path: Path) -> None:
    data = drawn(tmp_path, "gaussian", ROWS)
    trained = train_large(data.large, builders.regression(l2=None), FIT, DIVISION)
    exact = np.linalg.lstsq(_design(data), data.held.labels)[0]
    assert trained.coefficients is not None
    np.testing.assert_allclose(trained.coefficients["estimate"], exact, rtol=1e-8)
    assert trained.certificate is not None
    assert trained.certificate.method == "exact"
    assert (trained.folds["rows"] + trained.folds["train_rows"] == ROWS).all()
    kernel, bias = trained.model.get_layer("output").get_weights()
    np.testing.assert_allclose([bias[0], *kernel[:, 0]], exact, rtol=1e-8)


def _design(data) -> np.ndarray:
    features = data.held.source.read(data.held.source.groups).features
    return np.column_stack([np.ones(len(features)), features])


def test_quadratic_terms(tmp_path: Path) -> None:
    data = drawn(tmp_path, "gaussian", 3_000)
    quadratic, table = data.large.quadratic(), data.held.quadratic()
    block = quadratic.read(quadratic.leaves[1])
    rows = table.source.read(table.source.groups)
    assert quadratic.names == list(table.names)
    assert (block.rows.features == rows.features[block.numbers]).all()
    trained = train_large(data.large, builders.regression(terms="quadratic"), FIT, Division(3_000, 3, 0))
    assert trained.coefficients is not None
    assert len(trained.coefficients) == 1 + len(table.names)


def test_a_penalty_is_refused(tmp_path: Path) -> None:
    data = drawn(tmp_path, rows=2_000)
    with pytest.raises(UserError, match=r"models: l2 is 0.1 for a regression on 2,000 rows, expected null or 0"):
        train_large(data.large, builders.regression(l2=0.1), FIT, DIVISION)


@pytest.mark.parametrize("name", ["repeats", "seeds"])
def test_repeats_and_seeds_are_refused(name: str) -> None:
    once = Folds(k=3, repeats=None, seeds=1, seed=0)
    assert divided(2_000, once, ordered=False) == Division(2_000, 3, 0, most=5)
    with pytest.raises(UserError, match=rf"folds.{name} is 2 for a table of 2,000 rows, expected null or 1"):
        divided(2_000, replace(once, **{name: 2}), ordered=False)


def _verdict(gain: float, looks: int, is_flat: bool, k: int = 5):
    losses = 1 + 0.01 * np.array([-2, -1, 0, 1, 2])
    common = {"repeat": 0, "fold": range(5), "seed": 0, "rows": 100, "train_rows": 400, "epochs": 1, "steps": 1}
    line = pd.DataFrame(common | {"method": "exact", "loss": losses, "mean_loss": 3.0})
    shifts = 0.004 * np.array([1, -1, 0, 1, -1])
    network = line.assign(method="network", loss=(1 - gain) * losses + shifts, looks=looks, is_flat=is_flat)
    target = Target("y", "gaussian", None)
    schema = Schema([], True, Divided("chance", None), {"y": target}, RowCounts(10**6, 0), [])
    tables = {"regression": line, "neural": network}
    return judge(schema, "y", "regression", tables, dict.fromkeys(tables, 1), Rules(k, 0.05, 0.95))


def test_some_of_the_folds_are_enough_and_more_divisions_are_not_advised() -> None:
    found = _verdict(0.055, 5, is_flat=True, k=10)
    assert found.counted_folds == "5 of 10 folds"
    assert _verdict(0.055, 5, is_flat=True).counted_folds == "1 × 5 folds"
    assert found.answer == "undecided"
    assert "folds.repeats" not in found.advice
    assert "more folds would not help" in found.advice
    differences = 0.95 * np.array(found.fold_losses["regression"]) - found.fold_losses["neural"]
    ratio = 100 / 400  # test rows by training rows
    expected = differences.std(ddof=1) * np.sqrt(1 / 5 + ratio)
    assert found.challengers["neural"].test.std_error == pytest.approx(expected)


def test_all_folds_are_advised_where_they_would_decide() -> None:
    found = _verdict(0.058, 5, is_flat=True, k=10)
    assert found.answer == "undecided"
    assert "With 5 of 10 folds, these 1,000,000 rows are not enough to decide: set folds.large to 10" in found.advice
    # Twice the same differences in ten folds decide, at the level that five looks leave.
    differences = np.tile(0.95 * np.array(found.fold_losses["regression"]) - found.fold_losses["neural"], 2)
    spread = differences.std() * np.sqrt(5 / 4)  # that of the five
    assert differences.mean() > stats.t.ppf(1 - 0.05 / 5, 9) * spread * np.sqrt(1 / 10 + 1 / 9)


def test_a_network_that_still_learns_leaves_the_answer_open() -> None:
    assert _verdict(0.02, 3, is_flat=True).answer == "yes"
    learning = _verdict(0.02, 3, is_flat=False)
    assert learning.answer == "undecided"
    assert "neural learned from a sample of the rows, and it still learns from more" in learning.advice
    assert _verdict(0.2, 3, is_flat=False).answer == "no"


def test_looks_share_the_error_rate() -> None:
    once, often = _verdict(0.0575, 1, is_flat=True), _verdict(0.0575, 5, is_flat=True)
    probability = once.probabilities.challenger_better
    assert 0.95 <= probability < 0.99
    assert (once.answer, often.answer) == ("no", "undecided")
    assert often.relative_gain_interval[0] < 0.05 < once.relative_gain_interval[0]  # type: ignore[operator]
    assert (once.chances, often.chances) == (1, 5)
    assert "looks" not in once.to_json()
    assert often.to_json()["looks"] == 5
