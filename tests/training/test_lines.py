"""The straight line of each fold: plain, or shrunk by a penalty that is chosen on parts of its training rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge

from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.regression import exact, ridge
from straightline.training import choice_sample
from straightline.training.batches import seed_of
from straightline.training.lines import WORTH, fitted_lines, penalties
from straightline.training.plan import MEMBERS
from straightline.training.variants import train
from tests import builders
from tests.builders import labels_of, rows_of, training_table

CHOSEN = builders.regression(l2=None)
FIT = builders.fit()


def wide(family: str = "gaussian", rows: int = 80, columns: int = 30, seed: int = 0) -> TrainingTable:
    """Return rows for which a penalty lowers the loss: many columns of small weight."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, columns)) * random.uniform(0.5, 3, columns)
    score = features @ random.normal(size=columns) * 0.1 + random.normal(size=rows)
    return training_table(features, labels_of(score, family), family, [f"x{number}" for number in range(columns)])


def fold(rows: range, of: int) -> Fold:
    numbers = np.arange(of, dtype=np.int32)
    return Fold(0, 0, numbers[rows.start : rows.stop], np.setdiff1d(numbers, numbers[rows.start : rows.stop]))


def scikit_learns(family: str, penalty: float, rows: int) -> Any:
    """Return scikit-learn's model with our `penalty` for so many rows."""
    exact_newton = {"tol": 1e-8, "solver": "newton-cholesky"}
    match family:
        case "gaussian":
            return Ridge(alpha=penalty * rows)
        case "poisson":
            return PoissonRegressor(alpha=penalty, **exact_newton)
        case "gamma":
            return GammaRegressor(alpha=penalty, **exact_newton)
    return LogisticRegression(C=1 / (penalty * rows), **exact_newton)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_penalty_is_the_one_that_scikit_learn_finds_on_the_same_parts(family: str) -> None:
    table, part = wide(family), fold(range(70), 80)
    (found,) = penalties(table, [part], CHOSEN, 0)
    rows = rows_of(table)
    losses = np.zeros(len(ridge.PENALTIES))
    for train_rows, test_rows in table.split.parts(part.train, MEMBERS, seed_of([0, 1, 0, 70])):
        columns, labels = rows.features[train_rows], rows.labels[train_rows]
        mean, scale = columns.mean(axis=0), columns.std(axis=0)
        for number, penalty in enumerate(ridge.PENALTIES):
            line = scikit_learns(family, penalty, len(labels)).fit((columns - mean) / scale, labels)
            predict = getattr(line, "predict_proba", line.predict)
            predicted = predict((rows.features[test_rows] - mean) / scale)
            predicted = predicted[:, 1] if family == "bernoulli" else predicted
            losses[number] += table.family.row_losses(rows.labels[test_rows], predicted).sum()
    assert found == ridge.PENALTIES[losses.argmin()]
    assert losses.min() < (1 - WORTH) * losses[0]


def test_a_line_with_many_rows_for_each_column_stays_plain() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 3))
    table = training_table(features, features @ [1.0, 2.0, 3.0] + random.normal(size=600))
    parts = table.split.folds(600, 5, 1, 0)
    assert penalties(table, parts, CHOSEN, 0) == [0.0] * 5


def test_a_penalty_that_is_set_is_not_chosen() -> None:
    assert penalties(wide(), [fold(range(70), 80)] * 2, replace(CHOSEN, l2=0.3), 0) == [0.3, 0.3]


@pytest.mark.parametrize("intercept", [True, False])
def test_lines_are_plain_or_ridge_by_their_penalties(intercept: bool) -> None:
    table = wide()
    sets = [np.arange(60, dtype=np.int32), np.arange(20, 80, dtype=np.int32)]
    plain, shrunk = fitted_lines(table, sets, [0.0, 0.1], intercept)
    (known,) = exact.optima(table.source, sets[:1], table.family, table.names, inference=None, intercept=intercept)
    np.testing.assert_array_equal(plain.coefficients, known.coefficients)
    ((path,),) = ridge.paths(table.source, sets[1:], table.family, np.array([0.1]), intercept)
    np.testing.assert_array_equal(shrunk.coefficients, path.coefficients)


def test_the_rows_of_the_test_are_not_looked_at() -> None:
    table, part = wide(), fold(range(70), 80)
    labels = table.labels.copy()
    labels[part.test] = 1e6
    changed = training_table(rows_of(table).features, labels, names=table.names)
    assert penalties(changed, [part], CHOSEN, 0) == penalties(table, [part], CHOSEN, 0)


def test_many_rows_choose_on_a_sample_and_the_penalty_is_rescaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice_sample, "CHOICE_ROWS", 60)
    table, part = wide(rows=240), fold(range(200), 240)
    (found,) = penalties(table, [part], CHOSEN, 0)
    sample = table.split.sample(part.train, 60 / 200, seed_of([0, 1, 0, 200]))
    assert found / 0.3 == pytest.approx(_on_all(table, sample, seed_of([0, 1, 0, 200])))


def _on_all(table: TrainingTable, sample: np.ndarray, seed: int) -> float:
    parts = table.split.parts(sample, MEMBERS, seed)
    paths = ridge.paths(table.source, [train_rows for train_rows, _ in parts], table.family)
    losses = ridge.part_losses(table.source, [part for _, part in parts], paths, table.family)
    return float(ridge.PENALTIES[losses.sum(axis=0).argmin()])


def test_the_saved_model_is_shrunk_and_coefficients_and_certificate_are_not() -> None:
    table = wide()
    shrunk = train(table, CHOSEN, FIT, builders.folds(), lambda *now: None)
    plain = train(table, replace(CHOSEN, l2=0.0), FIT, builders.folds(), lambda *now: None)
    assert shrunk.coefficients is not None
    assert plain.coefficients is not None
    assert shrunk.coefficients.equals(plain.coefficients)
    assert shrunk.certificate == plain.certificate
    assert (shrunk.folds["method"] == "ridge").all()
    np.testing.assert_array_equal(shrunk.folds["plain_loss"], plain.folds["loss"])
    assert (shrunk.folds["loss"] < plain.folds["loss"]).all()
    whole = np.arange(80, dtype=np.int32)
    (line,) = fitted_lines(table, [whole], [shrunk.weights["l2"]])
    kernel, bias = shrunk.model.layers[-1].get_weights()
    np.testing.assert_array_equal(np.append(bias, kernel), line.coefficients)
    assert plain.weights["l2"] == 0
    np.testing.assert_allclose(plain.model.layers[-1].get_weights()[0][:, 0], plain.coefficients["estimate"][1:])


def test_a_descent_that_is_shipped_is_not_shrunk() -> None:
    trained = train(wide(), replace(CHOSEN, finish="none"), FIT, builders.folds(), lambda *now: None)
    assert trained.weights["l2"] == 0
