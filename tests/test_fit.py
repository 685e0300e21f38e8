"""The stacked, compiled loop against Keras' own training, replica by replica."""

import keras
import numpy as np
import pytest

from straightline import fit, stack
from straightline.batches import Replica, epoch_batches
from straightline.errors import UserError
from straightline.models import Neural, Regression

ROWS = 90
NEURAL = Neural(kind="neural", hidden=[5, 3], activation="tanh", learning_rate=0.01, schedule="constant", l2=0.0)
REGRESSION = Regression(kind="regression", learning_rate=0.01, schedule="cosine", finish="none")


def table(task: str = "continuous") -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 3))
    score = features @ [1.0, -2.0, 0.5] + np.sin(3 * features[:, 0]) + 0.1 * random.normal(size=ROWS)
    return features, score if task == "continuous" else (score > 0).astype(float)


def settings(**changes: object) -> fit.Settings:
    defaults: dict = {
        "loss": "mean_squared_error",
        "optimizer": "adam",
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
    own = [stack.initial_weights(plain, seed) for seed in range(4)]
    stacked = stack.stack(plain, 4)
    stacked.set_weights(stack.stack_weights(own))
    rows = np.random.default_rng(1).normal(size=(4, 7, 3))
    outputs = keras.ops.convert_to_numpy(stacked(rows))
    for replica, weights in enumerate(own):
        plain.set_weights(weights)
        np.testing.assert_allclose(outputs[replica], keras.ops.convert_to_numpy(plain(rows[replica])), rtol=1e-12)
        for array, back in zip(weights, stack.unstack_weights(stacked.get_weights(), replica), strict=True):
            np.testing.assert_array_equal(array, back)


def test_gradients_of_a_stack_are_those_of_the_plain_product() -> None:
    import tensorflow as tf

    for sources, units in ((3, 5), (40, 40), (1, 1), (6, 1)):
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


def test_other_layers_are_refused() -> None:
    with pytest.raises(TypeError, match="expected Dense layers, got Dropout"):
        stack.stack(keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)]), 2)


@pytest.mark.parametrize("task", ["continuous", "binary"])
@pytest.mark.parametrize("standardize", [False, True])
def test_a_stack_of_many_equals_stacks_of_one(task: str, standardize: bool) -> None:
    features, labels = table(task)
    loss = "mean_squared_error" if task == "continuous" else "binary_crossentropy"
    how = settings(loss=loss, standardize=standardize, l2=0.001)
    model = NEURAL.build(3, "linear" if task == "continuous" else "sigmoid", "float64")
    together = fit.fit(model, features, labels, replicas(5), how)
    for replica, one in zip(replicas(5), together, strict=True):
        (alone,) = fit.fit(model, features, labels, [replica], how)
        assert alone.best_epoch == one.best_epoch
        np.testing.assert_allclose(alone.monitored, one.monitored, rtol=1e-10)
        for first, second in zip(alone.weights, one.weights, strict=True):
            np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-4)])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_a_replica_equals_keras_on_the_same_batches(
    request: pytest.FixtureRequest, dtype: str, tolerance: float, optimizer: str
) -> None:
    keras.config.set_floatx(dtype)  # Keras sums losses and penalties in this type, whatever the layers'
    request.addfinalizer(lambda: keras.config.set_floatx("float32"))
    features, labels = table("binary")
    how = settings(loss="binary_crossentropy", optimizer=optimizer, l2=0.001)
    (replica,) = replicas(1)
    (fitted,) = fit.fit(NEURAL.build(3, "sigmoid", dtype), features, labels, [replica], how)

    plain = NEURAL.build(3, "sigmoid", dtype)
    plain.set_weights(stack.initial_weights(plain, replica.seed))
    for layer in plain.layers:
        layer.kernel.regularizer = keras.regularizers.L2(how.l2)
    plain.compile(keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": 0.01}}), how.loss)
    random = np.random.default_rng([replica.seed, 1])
    held, best = [], []
    for _ in range(how.epochs):
        for batch in epoch_batches(replica.train, how.batch_size, how.steps, random):
            rows = batch[batch >= 0]
            plain.train_on_batch(features[rows].astype(dtype), labels[rows].astype(dtype)[:, None])
        predicted = keras.ops.convert_to_numpy(plain(features[replica.validation])).astype(float)[:, 0]
        truth = labels[replica.validation]
        held.append(-np.mean(truth * np.log(predicted) + (1 - truth) * np.log1p(-predicted)))
        best.append([np.array(weight) for weight in plain.get_weights()])
    np.testing.assert_allclose(fitted.monitored, held, rtol=max(tolerance, 1e-6))
    assert fitted.best_epoch == 1 + int(np.argmin(held))
    for ours, theirs in zip(fitted.weights, best[fitted.best_epoch - 1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_early_stopping_is_that_of_a_plain_loop() -> None:
    features, labels = table()
    how = settings(epochs=60, patience=3, learning_rate=0.05)
    for one in fit.fit(NEURAL.build(3, "linear", "float64"), features, labels, replicas(6), how):
        best, since, last = np.inf, 0, 0
        for epoch, loss in enumerate(one.monitored, start=1):
            best, since, last = (loss, 0, epoch) if loss < best else (best, since + 1, last)
            assert since < how.patience or epoch == len(one.monitored)
        assert one.best_epoch == last
        assert since == how.patience or len(one.monitored) == how.epochs
        assert one.steps == len(one.monitored) * how.steps


def test_runs_are_equal_bit_for_bit() -> None:
    features, labels = table()
    runs = [fit.fit(NEURAL.build(3, "linear"), features, labels, replicas(4), settings()) for _ in range(2)]
    for first, second in zip(*runs, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(first.weights, second.weights, strict=True))


def test_descent_on_standardised_columns_finds_least_squares() -> None:
    features, labels = table()
    features, labels = features * [1, 1000, 1e-3] + [0, 5e6, 0], 1e5 + 1e4 * labels
    how = settings(standardize=True, schedule="cosine", epochs=300, learning_rate=0.05)
    everything = Replica(np.arange(ROWS), np.arange(0), 0)
    (fitted,) = fit.fit(REGRESSION.build(3, "linear"), features, labels, [everything], how)
    design = np.column_stack([np.ones(ROWS), (features - features.mean(0)) / features.std(0)])
    residual = np.linalg.lstsq(design, labels)[1][0] / ROWS
    assert len(fitted.monitored) == 300
    assert fitted.monitored.min() == pytest.approx(residual, rel=1e-4)


def test_divergence_is_said() -> None:
    features, labels = table()
    with pytest.raises(UserError, match=r"diverged.*epoch.*smaller learning_rate"):
        fit.fit(
            NEURAL.build(3, "linear"),
            features,
            labels * 1e30,
            replicas(2),
            settings(optimizer="sgd", learning_rate=9.0),
        )


def test_an_epoch_visits_every_row_before_any_again() -> None:
    rows = np.arange(10, 33)
    batches = epoch_batches(rows, 5, 12, np.random.default_rng(0))
    assert batches.shape == (12, 5)
    for start in (0, 5):
        seen = batches[start : start + 5].ravel()
        assert sorted(seen[seen >= 0]) == rows.tolist()
        assert (seen[:20] >= 0).all()
