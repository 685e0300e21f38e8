"""A network that starts as the finished regression, and is kept only where it does better on the validation rows."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from straightline.data.rows import Rows
from straightline.data.source import held, streamed
from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.runtime.artifacts import write_parquet
from straightline.serving.archive import load_model, save_model
from straightline.training import fit, stack
from straightline.training.batches import Replica
from straightline.training.plan import descent_settings
from straightline.training.predictors import network_predictors, shipped_network
from straightline.training.variants import fold_replicas, train
from tests.builders import fit as fit_settings
from tests.builders import folds, labels_of, neural, rows_of, training_table

UPGRADED = neural(hidden=[5, 4], from_regression=True)
ONCE, FOLDS = fit_settings(epochs=1), folds(seeds=2)


def table(family: str, standardize: bool = True, bend: float = 0.0) -> TrainingTable:
    random = np.random.default_rng(5)
    features = random.normal(3.0, 2.0, (120, 2))
    labels = 10 + features @ [1.0, -0.5] + bend * (features[:, 0] - 3) ** 2 + random.normal(size=120)
    labels = labels_of(labels, family)
    if family in ("bernoulli", "multinomial"):
        labels[:20] = labels.max() - labels[:20]  # so that no line separates them
    offset = random.normal(1.0, 0.5, 120) if FAMILIES[family].has_offset else None
    weights = random.integers(1, 4, 120) * 1.0 if family in ("multinomial", "poisson", "gamma") else None
    return training_table(features, labels, family, standardize=standardize, weights=weights, offset=offset)


def predicted(model: keras.Model, features: np.ndarray) -> np.ndarray:
    """Return what `predict` would, which rounds rows to float32."""
    values = keras.ops.convert_to_numpy(model(keras.ops.convert_to_tensor(features, "float64")))
    return values[:, 0] if values.shape[1] == 1 else values


def line_of(of: TrainingTable) -> np.ndarray:
    return exact.optimum(rows_of(of), of.family, of.names).coefficients


def replicas(of: TrainingTable, count: int) -> list[Replica]:
    order = np.random.default_rng(0).permutation(len(of.labels)).astype(np.int32)
    return [Replica(np.sort(order[:90]), np.sort(order[90:]), seed, line=line_of(of)) for seed in range(count)]


def test_stacked_and_unstacked_it_predicts_as_it_does() -> None:
    plain = UPGRADED.build(2, 1, "sigmoid", "float64")
    stacked = stack.stack(plain, 3)
    assert [tuple(one.shape[1:]) for one in stack.variables_of(stacked)[::2]] == [(2, 5), (5, 4), (4, 1), (2, 1)]
    random = np.random.default_rng(0)
    for variable in stack.variables_of(stacked):
        variable.assign(random.normal(size=variable.shape))
    rows = random.normal(size=(3, 7, 2))
    together = stacked.predict(rows, verbose=0, batch_size=3)
    for replica in range(3):
        own = stack.unstack(stacked, plain, replica)
        np.testing.assert_allclose(own.predict(rows[replica], verbose=0), together[replica], rtol=1e-12)


@pytest.mark.parametrize(
    ("family", "standardize"),
    [
        ("gaussian", True),
        ("bernoulli", False),
        ("multinomial", True),
        ("poisson", True),
        pytest.param("gamma", True, marks=pytest.mark.slow),
        pytest.param("multinomial", False, marks=pytest.mark.slow),
        pytest.param("poisson", False, marks=pytest.mark.slow),
        pytest.param("gaussian", False, marks=pytest.mark.slow),
        pytest.param("bernoulli", True, marks=pytest.mark.slow),
    ],
)
def test_before_the_first_epoch_it_is_the_regression(family: str, standardize: bool) -> None:
    """A network that can only get worse stays the regression: here every step is far too large."""
    of = table(family, standardize)
    hasty = replace(UPGRADED, learning_rate=10.0)
    model = hasty.build(2, of.family.outputs, "linear")
    fitted = fit.fit(model, of.source, replicas(of, 2), descent_settings(of, hasty, ONCE))
    features = rows_of(of).features
    line = line_of(of)
    expected = of.family.inverse_link(line[0] + features @ line[1:])
    for one, predict in zip(fitted, network_predictors(model, fitted, of.family), strict=True):
        assert one.best_epoch == 0
        np.testing.assert_allclose(predict(features), expected, rtol=1e-5)
        np.testing.assert_allclose(predicted(shipped_network(hasty, of, one), features), expected, rtol=1e-5)


def test_a_streamed_one_starts_there_too(tmp_path: Path) -> None:
    of = table("gaussian")
    rows = rows_of(of)
    features, labels = rows.features, rows.labels
    frame = pd.DataFrame(features, columns=["a", "b"]).assign(y=labels)
    write_parquet(tmp_path / "rows.parquet", frame, 20)
    source = streamed(tmp_path / "rows.parquet", ["a", "b"], "y", 40)
    hasty = replace(UPGRADED, learning_rate=10.0)
    model = hasty.build(2, 1, "linear", "float64")
    (held_one, streamed_one) = (
        fit.fit(model, rows, replicas(of, 1), descent_settings(of, hasty, ONCE))[0] for rows in (of.source, source)
    )
    assert held_one.best_epoch == streamed_one.best_epoch == 0
    line = line_of(of)
    (predict,) = network_predictors(model, [streamed_one], of.family)
    np.testing.assert_allclose(predict(features), line[0] + features @ line[1:], rtol=1e-9)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_it_is_never_worse_than_the_regression_on_the_validation_rows(family: str) -> None:
    of = table(family, bend=0.4 if family == "gaussian" else 3.0)
    model = UPGRADED.build(2, 1, "linear", "float64")
    own = replicas(of, 4)
    fitted = fit.fit(model, of.source, own, descent_settings(of, UPGRADED, fit_settings(epochs=200)))
    rows = rows_of(of)
    features, labels = rows.features, rows.labels
    line = line_of(of)
    better = 0
    for replica, one, predict in zip(own, fitted, network_predictors(model, fitted, of.family), strict=True):
        rows = replica.validation
        start = FAMILIES[family].predictor_losses(line[0] + features[rows] @ line[1:], labels[rows]).mean()
        reached = FAMILIES[family].mean_loss(labels[rows], predict(features[rows]))
        assert reached <= start * (1 + 1e-6)  # Keras adds 1e-7 to a probability before its logarithm
        assert one.best_epoch == 0 or one.monitored[one.best_epoch - 1] == pytest.approx(reached)
        better += reached < start * 0.98
    assert better >= 3


def test_a_stack_is_each_by_itself() -> None:
    of = table("gaussian", bend=0.3)
    model = UPGRADED.build(2, 1, "linear", "float64")
    descent = descent_settings(of, UPGRADED, fit_settings(epochs=12))
    together = fit.fit(model, of.source, replicas(of, 5), descent)
    for replica, one in list(zip(replicas(of, 5), together, strict=True))[1:4:2]:
        (alone,) = fit.fit(model, of.source, [replica], descent)
        assert alone.best_epoch == one.best_epoch
        for first, second in zip([*alone.weights, *alone.frozen], [*one.weights, *one.frozen], strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", ["gaussian", pytest.param("bernoulli", marks=pytest.mark.slow)])
def test_its_stage_starts_every_fold_at_the_regression_on_the_rows_that_do_not_stop_it(family: str) -> None:
    of = table(family)
    upgraded = train(of, replace(UPGRADED, learning_rate=10.0), ONCE, FOLDS, lambda *_: None).folds
    rows = rows_of(of)
    for number, part in enumerate(of.split.folds(120, 3, 1, 0)):
        (replica,) = fold_replicas(of, part, 1, ONCE)
        assert len(replica.train) + len(replica.validation) == len(part.train)
        line = exact.optimum(rows.take(replica.train), of.family, of.names).coefficients
        known = of.family.predictor_losses(line[0] + rows.features[part.test] @ line[1:], rows.labels[part.test]).mean()
        np.testing.assert_allclose(upgraded.loc[upgraded["fold"] == number, "loss"], known, rtol=1e-6)


@pytest.mark.parametrize("from_regression", [False, True])
def test_a_saved_network_takes_columns_of_any_unit(tmp_path: Path, from_regression: bool) -> None:
    """Seconds since 1970, farads, and a column that does not vary: what was scored is what the archive predicts."""
    plain = table("gaussian", bend=0.3)
    rows = rows_of(plain)
    features, labels = rows.features, rows.labels
    features = np.column_stack([1.7e9 + features[:, 0], 1e-12 * features[:, 1], np.full(len(labels), 7.0)])
    of = replace(plain, source=held(Rows(features, labels)), names=["time", "farad", "same"])
    settings = replace(UPGRADED, from_regression=from_regression)
    model = settings.build(3, 1, "linear", "float64")
    line = np.concatenate([line_of(replace(of, source=held(Rows(features[:, :2], labels)), names=["t", "f"])), [0.0]])
    own = [replace(replica, line=line if from_regression else None) for replica in replicas(plain, 1)]
    (fitted,) = fit.fit(model, of.source, own, descent_settings(of, settings, fit_settings(epochs=12)))
    digest = save_model(shipped_network(settings, of, fitted), tmp_path / "model.keras")
    (predict,) = network_predictors(model, [fitted], of.family)
    assert np.ptp(predict(features)) > 1
    np.testing.assert_allclose(
        predicted(load_model(tmp_path / "model.keras", digest), features), predict(features), 1e-6
    )


def test_what_is_shipped_is_a_plain_keras_archive(tmp_path: Path) -> None:
    of = table("bernoulli", bend=0.3)
    trained = train(of, UPGRADED, fit_settings(epochs=30), FOLDS, lambda *_: None)
    save_model(trained.model, tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    features = rows_of(of).features
    np.testing.assert_array_equal(predicted(loaded, features), predicted(trained.model, features))
    assert [layer["name"] for layer in trained.weights["layers"]] == [
        "hidden_1",
        "hidden_2",
        "regression",
        "correction",
    ]
    assert trained.weights["parameters"] == 2 * 5 + 5 + 5 * 4 + 4 + 4 + 1
