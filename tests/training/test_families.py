"""Gradient descent for every family, with weights and offsets: against Keras, single fits, copies of rows, files."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from straightline.data.rows import Rows
from straightline.data.source import held, streamed, with_row_values
from straightline.families import FAMILIES
from straightline.regression import exact
from straightline.training import fit, stack
from straightline.training.batches import Replica, epoch_batches
from straightline.training.predictors import network_predictors, raw_coefficients, stacked_predictions
from tests.builders import descent, neural, regression
from tests.regression.cases import table as drawn
from tests.training.cases import ROWS, replicas, table

NEW = ("multinomial", "poisson", "gamma")
OUTPUTS = {"multinomial": 2}
new_families = pytest.mark.parametrize("family", NEW)


def slow_but(*fast: str, of: tuple[str, ...] = NEW) -> pytest.MarkDecorator:
    """Return the parameter `family` with all of the families, of which only `fast` ones are always tested."""
    return pytest.mark.parametrize(
        "family", [name if name in fast else pytest.param(name, marks=pytest.mark.slow) for name in of]
    )


@cache
def network(family: str) -> keras.Sequential:
    return neural().build(3, OUTPUTS.get(family, 1), "linear", "float64")


def in_units(family: str) -> Rows:
    """Return weighted rows whose target, if it is a number, is in a unit far from 1."""
    rows = table(family, weighted=True)
    labels = {"gaussian": 1000 + 50 * rows.labels, "poisson": 40 * rows.labels, "gamma": 40 * rows.labels}
    return replace(rows, labels=labels.get(family, rows.labels))


@cache
def stacked_fits(family: str) -> list[fit.Fitted]:
    how = descent(family=FAMILIES[family], standardize=True, l2=0.001)
    return fit.fit(network(family), held(in_units(family)), replicas(3), how)


# Against Keras


def keras_loss(family: str) -> Callable[[Any, Any], Any]:
    """Return the loss of linear predictors, written down once more; of several classes it is Keras' own."""
    ops = keras.ops

    def of_classes(labels: Any, predictor: Any) -> Any:
        logits = ops.concatenate([ops.zeros_like(predictor[:, :1]), predictor], axis=1)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)(labels, logits)

    losses: dict[str, Callable[[Any, Any], Any]] = {
        "multinomial": of_classes,
        "poisson": lambda labels, predictor: 2 * (ops.exp(predictor) - labels * predictor)[:, 0],
        "gamma": lambda labels, predictor: 2 * (labels * ops.exp(-predictor) + predictor)[:, 0],
    }
    return losses[family]


def plain_keras(family: str, seed: int) -> keras.Model:
    """Return the same network with the offset as a second input, compiled as users of Keras do."""
    inner = network(family)
    inner.set_weights(stack.unstack_weights(stack.initial_weights(inner, [seed]), 0))
    features, offset = (keras.Input((columns,), dtype="float64") for columns in (3, 1))
    model = keras.Model([features, offset], keras.layers.Add(dtype="float64")([inner(features), offset]))
    model.compile(keras.optimizers.SGD(0.05), keras_loss(family))
    return model


@pytest.fixture
def float64() -> Iterator[None]:
    """Keras sums losses in this type, whatever that of the layers is."""
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.usefixtures("float64")
@new_families
def test_a_replica_equals_keras_on_the_same_batches(family: str) -> None:
    """The weights of the training rows have the mean 1, and Keras divides by the number of a batch's rows too."""
    rows = table(family, weighted=True)
    settings = descent(family=FAMILIES[family], optimizer="sgd", learning_rate=0.05, epochs=2)
    replica = replace(replicas(1)[0], validation=np.arange(0))
    (fitted,) = fit.fit(network(family), held(rows), [replica], settings)
    plain = plain_keras(family, replica.seed)
    random = np.random.default_rng([replica.seed, 1])
    batches = epoch_batches(replica.train, settings.batch_size, settings.steps, settings.epochs, random)
    for batch in batches.reshape(-1, settings.batch_size):
        step = rows.take(batch[batch >= 0])
        offset = np.zeros(len(step)) if step.offset is None else step.offset
        weights = step.weights / rows.weights[replica.train].mean()
        plain.train_on_batch([step.features, offset[:, None]], step.labels[:, None], weights)
    assert fitted.best_epoch == 2
    for ours, theirs in zip(fitted.weights, plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_loss_of_counts_is_keras_own_but_for_what_keras_adds() -> None:
    """Keras adds 1e-7 to a prediction before its logarithm, so that its loss is off by 1e-7 y / mu."""
    labels, predictor = np.array([0.0, 1, 4, 30]), np.array([-1.0, 0.5, 1.5, 3.0])
    theirs = keras.losses.poisson(labels[:, None], np.exp(predictor)[:, None])
    ours = FAMILIES["poisson"].keras_loss(labels[:, None], predictor[:, None])
    least = 2 * FAMILIES["poisson"].least(labels)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours) + least, 2 * np.array(theirs), rtol=1e-6)


# Against single fits, copies of rows and files


@slow_but("multinomial", "poisson")
def test_a_stack_of_many_equals_stacks_of_one(family: str) -> None:
    settings = descent(family=FAMILIES[family], standardize=True, l2=0.001)
    together = stacked_fits(family)
    for replica, one in list(zip(replicas(3), together, strict=True))[::2]:
        (alone,) = fit.fit(network(family), held(in_units(family)), [replica], settings)
        assert alone.best_epoch == one.best_epoch
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-10)
        np.testing.assert_allclose(alone.losses, one.losses, rtol=1e-10)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


@slow_but("multinomial", "poisson", "gamma", of=tuple(FAMILIES))
def test_the_monitored_loss_is_that_of_the_predictions_in_the_targets_unit(family: str) -> None:
    rows, fitted = in_units(family), stacked_fits(family)
    predictors = network_predictors(network(family), fitted, FAMILIES[family])
    stacked = stacked_predictions(network(family), fitted, [rows.features] * 3, FAMILIES[family])
    for replica, one, predict, predicted in zip(replicas(3), fitted, predictors, stacked, strict=True):
        watched = rows.take(replica.validation.astype(np.int32))
        loss = watched.mean_loss(FAMILIES[family], predict(watched.features))
        assert one.monitored[one.best_epoch - 1] == pytest.approx(loss, rel=1e-6)
        np.testing.assert_allclose(predicted, predict(rows.features), rtol=1e-9)


def copies(rows: Rows, replica: Replica) -> tuple[Rows, Replica]:
    """Return each row as often as its weight says, without weights, and the replica with the numbers of the copies."""
    numbers = np.repeat(np.arange(len(rows)), rows.weights.astype(int))
    train, validation = (np.flatnonzero(np.isin(numbers, part)) for part in (replica.train, replica.validation))
    return replace(rows.take(numbers), weights=None), replace(replica, train=train, validation=validation)


@slow_but("poisson", of=tuple(FAMILIES))
def test_a_weight_equals_so_many_rows(family: str) -> None:
    """Where a step sees all rows, their order does not count."""
    rows, (replica,) = table(family, weighted=True), replicas(1)
    settings = descent(family=FAMILIES[family], standardize=True, batch_size=400, steps=1, epochs=5)
    repeated, copied_replica = copies(rows, replica)
    (weighted,) = fit.fit(network(family), held(rows), [replica], settings)
    (known,) = fit.fit(network(family), held(repeated), [copied_replica], settings)
    np.testing.assert_allclose(weighted.losses, known.losses, rtol=1e-10)
    np.testing.assert_allclose(weighted.monitored, known.monitored, rtol=1e-10)
    for first, second in zip(weighted.weights, known.weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)
    predictors = network_predictors(network(family), [weighted, known], FAMILIES[family])
    ours, theirs = (predict(rows.features) for predict in predictors)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@slow_but("poisson")
def test_a_streamed_table_has_the_losses_of_a_held_one(tmp_path: Path, family: str) -> None:
    """At a learning rate of nearly 0 the weights stay, so that the order of the rows does not count."""
    rows = in_units(family)
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame(rows.features, columns=list("abc")).assign(y=rows.labels)
    frame.to_parquet(path, row_group_size=16)
    source = with_row_values(streamed(path, list("abc"), "y", 32), rows.weights, rows.offset)
    settings = descent(family=FAMILIES[family], optimizer="sgd", learning_rate=1e-300, standardize=True, epochs=2)
    fits = (fit.fit(network(family), each, replicas(2), settings) for each in (held(rows), source))
    for one, other in zip(*fits, strict=True):
        np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-10)
        assert one.monitored[0] == one.monitored[1]


def test_counts_of_zeros_alone_teach_that_they_are_0() -> None:
    """A few rare events are easily all in other rows than those that a fold trains on."""
    rows = table("poisson")
    rows = replace(rows, labels=np.zeros(ROWS))
    settings = descent(family=FAMILIES["poisson"], standardize=True, learning_rate=0.1)
    (fitted,) = fit.fit(network("poisson"), held(rows), replicas(1), settings)
    assert fitted.diverged is None
    assert np.all(np.diff(fitted.monitored) < 0)


@slow_but("gamma")
def test_descent_finds_the_exact_regression(family: str) -> None:
    """One Dense layer whose steps see all rows comes to the optimum that Newton's method finds."""
    rows = drawn(FAMILIES[family], rows=ROWS)
    settings = descent(
        family=FAMILIES[family], standardize=True, schedule="cosine", epochs=400, learning_rate=0.1, batch_size=ROWS
    )
    model = regression().build(3, OUTPUTS.get(family, 1), "linear", "float64")
    (fitted,) = fit.fit(model, held(rows), [Replica(np.arange(ROWS), np.arange(0), 0)], settings)
    best = exact.optimum(rows, FAMILIES[family], list("abc"))
    assert fitted.monitored.min() == pytest.approx(best.loss, rel=1e-8)
    np.testing.assert_allclose(raw_coefficients(fitted), best.coefficients, rtol=1e-3, atol=1e-6)
