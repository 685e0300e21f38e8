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
from straightline.models import Neural, Regression
from straightline.training import feed, fit, stack
from straightline.training.batches import Replica, epoch_batches, epoch_rows
from straightline.training.predictors import network_predictors, stacked_predictions

ROWS = 90
NEURAL = Neural(
    kind="neural",
    hidden=[5],
    activation="tanh",
    learning_rate=0.01,
    schedule="constant",
    l2=0.0,
    dropout=0.0,
    from_regression=False,
)
REGRESSION = Regression(
    kind="regression",
    learning_rate=0.01,
    schedule="cosine",
    finish="none",
    robust=False,
    terms="linear",
    intercept=True,
)


def table(family: str = "gaussian") -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 3))
    score = features @ [1.0, -2.0, 0.5] + np.sin(3 * features[:, 0]) + 0.1 * random.normal(size=ROWS)
    return features, score if family == "gaussian" else (score > 0).astype(float)


def settings(**changes: object) -> fit.Settings:
    defaults: dict = {
        "family": FAMILIES["gaussian"],
        "optimizer": "adam",
        "momentum": 0.0,
        "learning_rate": 0.01,
        "schedule": "constant",
        "l2": 0.0,
        "batch_size": 16,
        "steps": 5,
        "epochs": 4,
        "patience": 2,
        "standardize": False,
    }
    return fit.Settings(**(defaults | changes))


def replicas(count: int) -> list[Replica]:
    rows = [np.random.default_rng(seed).permutation(ROWS) for seed in range(count)]
    return [Replica(np.sort(own[: 70 - seed]), np.sort(own[70:]), seed) for seed, own in enumerate(rows)]


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
def test_a_stack_computes_what_its_models_do(activation: str) -> None:
    plain = NEURAL.build(3, activation, "float64")
    stacked = stack.stack(plain, 4)
    stacked.set_weights(stack.initial_weights(plain, range(4)))
    rows = np.random.default_rng(1).normal(size=(4, 7, 3))
    outputs = keras.ops.convert_to_numpy(stacked(rows))
    for replica in range(4):
        own = stack.unstack(stacked, plain, replica)
        np.testing.assert_allclose(outputs[replica], keras.ops.convert_to_numpy(own(rows[replica])), rtol=1e-12)
        alone = stack.initial_weights(plain, [replica])
        for array, back in zip(stack.unstack_weights(alone, 0), own.get_weights(), strict=True):
            np.testing.assert_array_equal(array, back)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_joined_variables_come_apart_again(hidden: list[int]) -> None:
    stacked = stack.stack(replace(NEURAL, hidden=hidden).build(3, "linear"), 2)
    random = np.random.default_rng(0)
    weights = [random.normal(size=variable.shape) for variable in stacked.trainable_variables]
    joint = stack.Joint(stacked)
    joined = joint.join(weights)
    assert joined.shape == joint.shape == (2, 1, stacked.count_params() // 2)
    for part, known in zip(joint.parts(joined), weights, strict=True):
        np.testing.assert_array_equal(part, known)


def test_gradients_of_a_stack_are_those_of_the_plain_product() -> None:
    import tensorflow as tf

    for sources, units in ((3, 5), (16, 16), (40, 40), (1, 1), (6, 1)):
        inputs, kernel = (
            tf.random.normal((2, 8, sources), dtype="float64"),
            tf.random.normal((2, sources, units), dtype="float64"),
        )
        found, known = [], []
        for product, into in ((stack._matmul, found), (tf.matmul, known)):
            with tf.GradientTape() as tape:
                tape.watch([inputs, kernel])
                value = tf.reduce_sum(tf.sin(product(inputs, kernel)))
            into += [value, *tape.gradient(value, [inputs, kernel])]
        for one, other in zip(found, known, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(),
        keras.layers.Dense(2, use_bias=False),
        keras.layers.Dense(2, kernel_regularizer="l2"),
    ],
)
def test_other_layers_are_refused(layer: keras.layers.Layer) -> None:
    with pytest.raises(TypeError, match=f"got {type(layer).__name__}"):
        stack.stack(keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)]), 2)


@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_stack_of_many_equals_stacks_of_one(family: str, standardize: bool) -> None:
    features, labels = table(family)
    how = settings(family=FAMILIES[family], standardize=standardize, l2=0.001)
    model = NEURAL.build(3, "linear", "float64")
    together = fit.fit(model, held(Rows(features, labels)), replicas(5), how)
    for replica, one in list(zip(replicas(5), together, strict=True))[1:4:2]:
        (alone,) = fit.fit(model, held(Rows(features, labels)), [replica], how)
        assert alone.best_epoch == one.best_epoch
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-10)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "momentum"])
def test_a_replica_equals_keras_on_the_same_batches(
    request: pytest.FixtureRequest, dtype: str, tolerance: float, optimizer: str
) -> None:
    keras.config.set_floatx(dtype)  # Keras sums losses and penalties in this type, whatever the layers'
    request.addfinalizer(lambda: keras.config.set_floatx("float32"))
    features, labels = table("bernoulli")
    kind, momentum = ("sgd", 0.9) if optimizer == "momentum" else (optimizer, 0.0)
    how = settings(
        family=FAMILIES["bernoulli"], optimizer=kind, momentum=momentum, l2=2**-10
    )  # exact in float32, to which Keras rounds it
    (replica,) = replicas(1)
    (fitted,) = fit.fit(NEURAL.build(3, "linear", dtype), held(Rows(features, labels)), [replica], how)

    plain = NEURAL.build(3, "sigmoid", dtype)
    plain.set_weights(stack.unstack_weights(stack.initial_weights(plain, [replica.seed]), 0))
    for layer in plain.layers:
        layer.kernel.regularizer = keras.regularizers.L2(how.l2)
    options = {"learning_rate": 0.01} | ({"momentum": momentum} if momentum else {})
    plain.compile(keras.optimizers.get({"class_name": kind, "config": options}), how.family.loss)
    random = np.random.default_rng([replica.seed, 1])
    watched, best = [], []
    for _ in range(how.epochs):
        for batch in epoch_batches(replica.train, how.batch_size, how.steps, 1, random)[0]:
            rows = batch[batch >= 0]
            plain.train_on_batch(features[rows].astype(dtype), labels[rows].astype(dtype)[:, None])
        predicted = keras.ops.convert_to_numpy(plain(features[replica.validation])).astype(float)[:, 0]
        truth = labels[replica.validation]
        watched.append(-np.mean(truth * np.log(predicted) + (1 - truth) * np.log1p(-predicted)))
        best.append([np.array(weight) for weight in plain.get_weights()])
    np.testing.assert_allclose(fitted.monitored, watched, rtol=max(tolerance, 1e-6))
    assert fitted.best_epoch == 1 + int(np.argmin(watched))
    for ours, theirs in zip(fitted.weights, best[fitted.best_epoch - 1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_early_stopping_is_that_of_a_plain_loop() -> None:
    features, labels = table()
    how = settings(epochs=60, patience=3, learning_rate=0.05)
    for one in fit.fit(NEURAL.build(3, "linear", "float64"), held(Rows(features, labels)), replicas(6), how):
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
    features, labels = table()
    runs = [fit.fit(NEURAL.build(3, "linear"), held(Rows(features, labels)), replicas(4), settings()) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(first.weights, second.weights, strict=True))


def test_descent_on_standardised_columns_finds_least_squares() -> None:
    features, labels = table()
    features, labels = features * [1, 1000, 1e-3] + [0, 5e6, 0], 1e5 + 1e4 * labels
    how = settings(standardize=True, schedule="cosine", epochs=300, learning_rate=0.05)
    everything = Replica(np.arange(ROWS), np.arange(0), 0)
    (fitted,) = fit.fit(REGRESSION.build(3, "linear"), held(Rows(features, labels)), [everything], how)
    design = np.column_stack([np.ones(ROWS), (features - features.mean(0)) / features.std(0)])
    residual = np.linalg.lstsq(design, labels)[1][0] / ROWS
    assert len(fitted.monitored) == 300
    assert fitted.monitored.min() == pytest.approx(residual, rel=1e-4)


def test_a_divergence_ends_its_replica_alone() -> None:
    features, labels = table()
    how = settings(optimizer="sgd", epochs=40, patience=40, standardize=True)
    model = NEURAL.build(3, "linear", "float64")
    wild = replace(replicas(3)[1], learning_rate=1e6)
    calm, lost, other = fit.fit(model, held(Rows(features, labels)), [replicas(3)[0], wild, replicas(3)[2]], how)
    assert lost.diverged == len(lost.losses)
    assert not np.isfinite([lost.losses[-1], lost.monitored[-1]]).all()
    assert np.isfinite(lost.losses[:-1]).all()
    assert all(np.isfinite(weight).all() for weight in lost.weights)
    assert (calm.diverged, other.diverged) == (None, None)
    (alone,) = fit.fit(model, held(Rows(features, labels)), [replicas(3)[0]], how)
    np.testing.assert_allclose(calm.monitored, alone.monitored, rtol=1e-10)


def test_rates_and_penalties_are_a_replicas_own() -> None:
    features, labels = table()
    model = NEURAL.build(3, "linear", "float64")
    own = [replace(replica, learning_rate=0.001 * 3**n, l2=0.01 * n) for n, replica in enumerate(replicas(3))]
    together = fit.fit(model, held(Rows(features, labels)), own, settings())
    for replica, one in zip(own, together, strict=True):
        how = settings(learning_rate=replica.learning_rate, l2=replica.l2)
        (alone,) = fit.fit(model, held(Rows(features, labels)), [replace(replica, learning_rate=None, l2=None)], how)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_results_do_not_depend_on_how_replicas_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = table()
    model = NEURAL.build(3, "linear", "float64")
    how = settings(epochs=80, patience=4, learning_rate=0.03)
    known = fit.fit(model, held(Rows(features, labels)), replicas(9), how)
    assert len({len(one.losses) for one in known}) > 1
    for lanes, threads, call in ((2, 2, 1), (4, 1, 10_000), (1, 1, 50)):
        monkeypatch.setattr(fit, "LANES", lanes)
        monkeypatch.setattr(fit, "THREADS", threads)
        monkeypatch.setattr(feed, "CALL", call)
        for one, other in zip(known, fit.fit(model, held(Rows(features, labels)), replicas(9), how), strict=True):
            assert (one.best_epoch, len(one.losses)) == (other.best_epoch, len(other.losses))
            np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-10)
            for first, second in zip(one.weights, other.weights, strict=True):
                np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_stopped_replicas_are_dropped_with_their_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = table()
    monkeypatch.setattr(fit, "LANES", 2)
    calls = []
    run = feed.HeldFeed._run
    monkeypatch.setattr(feed.HeldFeed, "_run", lambda *given: (calls.append(given[2]), run(*given))[1])
    how = settings(epochs=80, patience=4, learning_rate=0.03)
    fitted = fit.fit(NEURAL.build(3, "linear"), held(Rows(features, labels)), replicas(8), how)
    longest = max(len(one.losses) for one in fitted)
    needed = sum(-(-sum(len(one.losses) >= epoch for one in fitted) // 2) for epoch in range(1, longest + 1))
    assert needed <= sum(calls) <= needed + 4 * max(calls)
    assert sum(calls) < 4 * longest


def test_without_xla_the_loop_runs_uncompiled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    features, labels = table()
    model = NEURAL.build(3, "linear", "float64")
    compiled = fit.fit(model, held(Rows(features, labels)), replicas(3), settings())
    function = tf.function

    def refuse(*_: object) -> None:
        raise tf.errors.UnimplementedError(None, None, "no XLA here")

    def without(body: object, jit_compile: bool = False, **options: object) -> object:
        built = function(body, **options)
        if jit_compile:
            built.get_concrete_function = lambda *arguments: refuse
        return built

    monkeypatch.setattr(tf, "function", without)
    model = NEURAL.build(3, "linear", "float64")  # the other's program is compiled
    with pytest.warns(UserWarning, match="XLA cannot compile the training, which runs uncompiled.*no XLA here"):
        plain = fit.fit(model, held(Rows(features, labels)), replicas(3), settings())
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-9)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    layer = stack.StackedDropout(0.3, 1)
    layer.build((2, None, 50))
    layer.key.assign(np.array([1, 2], np.uint32)[:, None, None])
    ones = np.ones((2, 400, 50), np.float32)
    first, second = (keras.ops.convert_to_numpy(layer(ones, training=True)) for _ in range(2))
    assert keras.ops.convert_to_numpy(layer(ones)).tolist() == ones.tolist()
    for drawn in (*first, *second):
        assert np.unique(drawn).tolist() == [0, np.float32(1) / np.float32(0.7)]
        # 20,000 draws: a standard deviation of the share is .0032
        assert np.mean(drawn == 0) == pytest.approx(0.3, abs=0.013)
        assert np.abs(np.corrcoef(drawn.T) - np.eye(50)).max() < 0.3
    for one, other in ((first[0], first[1]), (first[0], second[0]), (first[0, :-1], first[0, 1:])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.03


def test_a_stack_with_dropout_equals_stacks_of_one() -> None:
    features, labels = table()
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(8, dtype="float64"),
            keras.layers.Activation("relu", dtype="float64"),
            keras.layers.Dropout(0.4, dtype="float64"),
            keras.layers.Dense(1, dtype="float64"),
        ]
    )
    together = fit.fit(model, held(Rows(features, labels)), replicas(5), settings())
    for replica, one in list(zip(replicas(5), together, strict=True))[2:4]:
        (alone,) = fit.fit(model, held(Rows(features, labels)), [replica], settings())
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-9)
    assert together[0].losses[0] > together[0].monitored[0] or together[0].losses[-1] > together[0].monitored[-1]


def test_a_network_with_dropout_predicts_without_it() -> None:
    features, labels = table()
    model = replace(NEURAL, dropout=0.4).build(3, "linear", "float64")
    fitted = fit.fit(model, held(Rows(features, labels)), replicas(2), settings())
    for one, predict, stacked in zip(
        fitted, network_predictors(model, fitted), stacked_predictions(model, fitted, [features] * 2), strict=True
    ):
        values = (features - one.scaling.center) / one.scaling.scale
        *hidden, (kernel, bias) = zip(one.weights[::2], one.weights[1::2], strict=True)
        for inner_kernel, inner_bias in hidden:
            values = np.tanh(values @ inner_kernel + inner_bias)
        known = one.scaling.target_center + one.scaling.target_scale * (values @ kernel + bias)[:, 0]
        np.testing.assert_allclose(predict(features), known, rtol=1e-9)
        np.testing.assert_allclose(stacked, known, rtol=1e-9)


@given(
    count=st.integers(0, 60),
    size=st.integers(1, 40),
    steps=st.integers(1, 30),
    first=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_an_epoch_visits_every_row_before_any_again(count: int, size: int, steps: int, first: int, seed: int) -> None:
    rows = np.arange(10, 10 + count)
    batches = epoch_batches(rows, size, steps, 5, np.random.default_rng(seed))
    assert batches.shape == (5, steps, size)
    full = max(-(-count // size), 1)
    for epoch in batches:
        assert (epoch >= 0).sum() == epoch_rows(count, size, steps)
        for start in range(0, steps, full):
            seen = epoch[start : start + full].ravel()
            seen = seen[seen >= 0]
            assert len(set(seen)) == len(seen)
            assert set(seen) <= set(rows)
            assert start + full > steps or len(seen) == count
    random = np.random.default_rng(seed)
    parts = [epoch_batches(rows, size, steps, epochs, random) for epochs in (first, 5 - first)]
    np.testing.assert_array_equal(np.concatenate(parts), batches)


@pytest.mark.parametrize(
    ("rows", "repeats", "seeds"), [(354, 10, 3), (5_000, 5, 3), (100_000, 1, 3), (5_000_000, 1, 1)]
)
def test_the_folds_follow_the_size_of_the_table(params: dict, rows: int, repeats: int, seeds: int) -> None:
    from straightline.config.settings import parse
    from straightline.data.training_table import TrainingTable
    from straightline.training.plan import fold_plan

    config = parse(params)
    table = TrainingTable(
        held(Rows(np.zeros((rows, 3)), np.zeros(rows))), np.zeros(rows), ["a", "b", "c"], FAMILIES["gaussian"], True
    )
    plans = [fold_plan(table, config.models[name], config.fit, config.folds) for name in ("regression", "neural")]
    assert {plan.repeats for plan in plans} == {repeats}
    assert plans[1].seeds == seeds
    costly = replace(config.models["neural"], hidden=[512, 512])
    assert fold_plan(table, costly, config.fit, config.folds).repeats == repeats
    assert fold_plan(table, costly, config.fit, config.folds).seeds == 1
    own = replace(config.folds, repeats=4, seeds=5)
    assert fold_plan(table, config.models["neural"], config.fit, own) == own


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_on_request_reaches_the_saved_network(params: dict, dtype: str) -> None:
    from straightline.config.settings import parse
    from straightline.data.training_table import TrainingTable
    from straightline.training.variants import train

    config = parse(params)
    how, folds = replace(config.fit, dtype=dtype, epochs=3), replace(config.folds, k=2, repeats=1, seeds=1)
    features, labels = table()
    rows = TrainingTable(held(Rows(features, labels)), labels, ["a", "b", "c"], FAMILIES["gaussian"], True)
    trained = train(rows, config.models["neural"], how, folds, lambda *now: None)
    dense = [layer for layer in trained.model.layers if isinstance(layer, keras.layers.Dense)]
    assert {layer.compute_dtype for layer in dense} == {dtype}
    assert np.isfinite(trained.folds["loss"]).all()


def test_an_early_divergence_is_an_error_and_a_later_one_is_said() -> None:
    from straightline.errors import UserError
    from straightline.training.variants import _divergences

    features, labels = table()
    wild = [replace(replica, learning_rate=rate) for replica, rate in zip(replicas(2), (1e300, 1e-3), strict=True)]
    how = settings(optimizer="sgd")
    fitted = fit.fit(NEURAL.build(3, "linear", "float64"), held(Rows(features, labels)), wild, how)
    with pytest.raises(UserError, match=r"1 of 2 fits .*first in fold 7; set a smaller learning_rate"):
        _divergences([("fold 7", fitted[0]), ("fold 8", fitted[1])])
    later = replace(fitted[1], diverged=4)
    assert "fold 8: the loss is not finite at epoch 4, so the weights of epoch" in _divergences([("fold 8", later)])[0]
    assert _divergences([("fold 8", fitted[1])]) == []
