"""The stacked, compiled loop against Keras' own training, replica by replica."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.data.rows import Rows
from straightline.data.source import held
from straightline.families import FAMILIES
from straightline.training import feed, fit, stack
from straightline.training.batches import Replica, epoch_batches
from straightline.training.predictors import network_predictors, stacked_predictions
from tests.builders import descent, neural, regression
from tests.training.cases import ROWS, replicas, table


@pytest.mark.parametrize(
    ("family", "standardize"),
    [
        ("gaussian", True),
        ("bernoulli", False),
        pytest.param("gaussian", False, marks=pytest.mark.slow),
        pytest.param("bernoulli", True, marks=pytest.mark.slow),
    ],
)
def test_a_stack_of_many_equals_stacks_of_one(family: str, standardize: bool) -> None:
    rows = table(family)
    how = descent(family=FAMILIES[family], standardize=standardize, l2=0.001)
    model = neural().build(3, 1, "linear", "float64")
    together = fit.fit(model, held(rows), replicas(5), how)
    for replica, one in list(zip(replicas(5), together, strict=True))[1:4:2]:
        (alone,) = fit.fit(model, held(rows), [replica], how)
        assert alone.best_epoch == one.best_epoch
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-10)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "dtype", "tolerance"),
    [
        *((optimizer, "float64", 1e-10) for optimizer in ("adam", "rmsprop", "sgd", "momentum")),
        ("adam", "float32", 1e-5),
        *(pytest.param(name, "float32", 1e-5, marks=pytest.mark.slow) for name in ("rmsprop", "sgd", "momentum")),
    ],
)
def test_a_replica_equals_keras_on_the_same_batches(
    request: pytest.FixtureRequest, dtype: str, tolerance: float, optimizer: str
) -> None:
    keras.config.set_floatx(dtype)  # Keras sums losses and penalties in this type, whatever the layers'
    request.addfinalizer(lambda: keras.config.set_floatx("float32"))
    rows = table("bernoulli")
    kind, momentum = ("sgd", 0.9) if optimizer == "momentum" else (optimizer, 0.0)
    how = descent(
        family=FAMILIES["bernoulli"], optimizer=kind, momentum=momentum, l2=2**-10
    )  # exact in float32, to which Keras rounds it
    (replica,) = replicas(1)
    (fitted,) = fit.fit(neural().build(3, 1, "linear", dtype), held(rows), [replica], how)

    plain = neural().build(3, 1, "sigmoid", dtype)
    plain.set_weights(stack.unstack_weights(stack.initial_weights(plain, [replica.seed]), 0))
    for layer in plain.layers:
        layer.kernel.regularizer = keras.regularizers.L2(how.l2)
    options = {"learning_rate": 0.01} | ({"momentum": momentum} if momentum else {})
    plain.compile(keras.optimizers.get({"class_name": kind, "config": options}), how.family.loss)
    random = np.random.default_rng([replica.seed, 1])
    watched, best = [], []
    for _ in range(how.epochs):
        for batch in epoch_batches(replica.train, how.batch_size, how.steps, 1, random)[0]:
            step = rows.take(batch[batch >= 0])
            plain.train_on_batch(step.features.astype(dtype), step.labels.astype(dtype)[:, None])
        predicted = keras.ops.convert_to_numpy(plain(rows.features[replica.validation])).astype(float)[:, 0]
        truth = rows.labels[replica.validation]
        watched.append(-np.mean(truth * np.log(predicted) + (1 - truth) * np.log1p(-predicted)))
        best.append([np.array(weight) for weight in plain.get_weights()])
    np.testing.assert_allclose(fitted.monitored, watched, rtol=max(tolerance, 1e-6))
    assert fitted.best_epoch == 1 + int(np.argmin(watched))
    for ours, theirs in zip(fitted.weights, best[fitted.best_epoch - 1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_early_stopping_is_that_of_a_plain_loop() -> None:
    rows = table()
    how = descent(epochs=60, patience=3, learning_rate=0.05)
    for one in fit.fit(neural().build(3, 1, "linear", "float64"), held(rows), replicas(6), how):
        best, since, last = np.inf, 0, 0
        for epoch, loss in enumerate(one.monitored, start=1):
            best, since, last = (loss, 0, epoch) if loss < best else (best, since + 1, last)
            assert since < how.patience or epoch == len(one.monitored)
        assert one.best_epoch == last
        assert since == how.patience or len(one.monitored) == how.epochs
        assert one.steps == len(one.monitored) * how.steps


@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 2.0, 3.0, np.inf, np.nan])] * 2), min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_the_course_of_a_replica_is_that_of_a_plain_loop(losses: list[tuple[float, float]], patience: int) -> None:
    best, best_epoch, epoch, diverged = np.inf, 0, 0, False
    while epoch < len(losses) and epoch - best_epoch < patience and not diverged:
        loss, monitored = losses[epoch]
        epoch += 1
        diverged = not np.isfinite([loss, monitored]).all()
        if not diverged and monitored < best:
            best, best_epoch = monitored, epoch
    assert fit.course(np.array(losses).T, patience) == (epoch, best_epoch, diverged)


def test_runs_are_equal_bit_for_bit() -> None:
    rows = table()
    runs = [fit.fit(neural().build(3, 1, "linear"), held(rows), replicas(4), descent()) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(first.weights, second.weights, strict=True))


def test_descent_on_standardised_columns_finds_least_squares() -> None:
    features, labels = table().features * [1, 1000, 1e-3] + [0, 5e6, 0], 1e5 + 1e4 * table().labels
    how = descent(standardize=True, schedule="cosine", epochs=300, learning_rate=0.05)
    everything = Replica(np.arange(ROWS), np.arange(0), 0)
    (fitted,) = fit.fit(
        regression(finish="none").build(3, 1, "linear"), held(Rows(features, labels)), [everything], how
    )
    design = np.column_stack([np.ones(ROWS), (features - features.mean(0)) / features.std(0)])
    residual = np.linalg.lstsq(design, labels)[1][0] / ROWS
    assert len(fitted.monitored) == 300
    assert fitted.monitored.min() == pytest.approx(residual, rel=1e-4)


def test_a_divergence_ends_its_replica_alone() -> None:
    rows = table()
    how = descent(optimizer="sgd", epochs=40, patience=40, standardize=True)
    model = neural().build(3, 1, "linear", "float64")
    wild = replace(replicas(3)[1], learning_rate=1e6)
    calm, lost, other = fit.fit(model, held(rows), [replicas(3)[0], wild, replicas(3)[2]], how)
    assert lost.diverged == len(lost.losses)
    assert not np.isfinite([lost.losses[-1], lost.monitored[-1]]).all()
    assert np.isfinite(lost.losses[:-1]).all()
    assert all(np.isfinite(weight).all() for weight in lost.weights)
    assert (calm.diverged, other.diverged) == (None, None)
    (alone,) = fit.fit(model, held(rows), [replicas(3)[0]], how)
    np.testing.assert_allclose(calm.monitored, alone.monitored, rtol=1e-10)


def test_rates_and_penalties_are_a_replicas_own() -> None:
    rows = table()
    model = neural().build(3, 1, "linear", "float64")
    own = [replace(replica, learning_rate=0.001 * 3**n, l2=0.01 * n) for n, replica in enumerate(replicas(3))]
    together = fit.fit(model, held(rows), own, descent())
    for replica, one in zip(own, together, strict=True):
        how = descent(learning_rate=replica.learning_rate, l2=replica.l2)
        (alone,) = fit.fit(model, held(rows), [replace(replica, learning_rate=None, l2=None)], how)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_results_do_not_depend_on_how_replicas_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    model = neural().build(3, 1, "linear", "float64")
    how = descent(epochs=80, patience=4, learning_rate=0.03)
    known = fit.fit(model, held(rows), replicas(9), how)
    assert len({len(one.losses) for one in known}) > 1
    for lanes, threads, call in ((2, 2, 1), (4, 1, 10_000), (1, 1, 50)):
        monkeypatch.setattr(fit, "LANES", lanes)
        monkeypatch.setattr(fit, "THREADS", threads)
        monkeypatch.setattr(feed, "CALL", call)
        for one, other in zip(known, fit.fit(model, held(rows), replicas(9), how), strict=True):
            assert (one.best_epoch, len(one.losses)) == (other.best_epoch, len(other.losses))
            np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-10)
            for first, second in zip(one.weights, other.weights, strict=True):
                np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_stopped_replicas_are_dropped_with_their_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = table()
    monkeypatch.setattr(fit, "LANES", 2)
    calls = []
    run = feed.HeldFeed._run
    monkeypatch.setattr(feed.HeldFeed, "_run", lambda *given: (calls.append(given[2]), run(*given))[1])
    how = descent(epochs=80, patience=4, learning_rate=0.03)
    fitted = fit.fit(neural().build(3, 1, "linear"), held(rows), replicas(8), how)
    longest = max(len(one.losses) for one in fitted)
    needed = sum(-(-sum(len(one.losses) >= epoch for one in fitted) // 2) for epoch in range(1, longest + 1))
    assert needed <= sum(calls) <= needed + 4 * max(calls)
    assert sum(calls) < 4 * longest


def test_without_xla_the_loop_runs_uncompiled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    rows = table()
    model = neural().build(3, 1, "linear", "float64")
    compiled = fit.fit(model, held(rows), replicas(3), descent())
    function = tf.function

    def refuse(*_: object) -> None:
        raise tf.errors.UnimplementedError(None, None, "no XLA here")

    def without(body: object, jit_compile: bool = False, **options: object) -> object:
        built = function(body, **options)
        if jit_compile:
            built.get_concrete_function = lambda *arguments: refuse
        return built

    monkeypatch.setattr(tf, "function", without)
    model = neural().build(3, 1, "linear", "float64")  # the other's program is compiled
    with pytest.warns(UserWarning, match="XLA cannot compile the training, which runs uncompiled.*no XLA here"):
        plain = fit.fit(model, held(rows), replicas(3), descent())
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-9)


def test_a_stack_with_dropout_equals_stacks_of_one() -> None:
    rows = table()
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(8, dtype="float64"),
            keras.layers.Activation("relu", dtype="float64"),
            keras.layers.Dropout(0.4, dtype="float64"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )
    together = fit.fit(model, held(rows), replicas(5), descent())
    for replica, one in list(zip(replicas(5), together, strict=True))[2:4]:
        (alone,) = fit.fit(model, held(rows), [replica], descent())
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-9)
    assert together[0].losses[0] > together[0].monitored[0] or together[0].losses[-1] > together[0].monitored[-1]


def test_a_network_with_dropout_predicts_without_it() -> None:
    rows = table()
    features, model = rows.features, neural(dropout=0.4).build(3, 1, "linear", "float64")
    fitted = fit.fit(model, held(rows), replicas(2), descent())
    for one, predict, stacked in zip(
        fitted,
        network_predictors(model, fitted, FAMILIES["gaussian"]),
        stacked_predictions(model, fitted, [features] * 2, FAMILIES["gaussian"]),
        strict=True,
    ):
        values = (features - one.scaling.center) / one.scaling.scale
        *hidden, (kernel, bias) = zip(one.weights[::2], one.weights[1::2], strict=True)
        for inner_kernel, inner_bias in hidden:
            values = np.tanh(values @ inner_kernel + inner_bias)
        known = one.scaling.target.center + one.scaling.target.scale * (values @ kernel + bias)[:, 0]
        np.testing.assert_allclose(predict(features), known, rtol=1e-9)
        np.testing.assert_allclose(stacked, known, rtol=1e-9)
