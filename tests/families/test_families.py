"""Families: identities between loss, link, derivatives, baseline, scaling and draws."""

import keras
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats

from straightline.calibration import truths
from straightline.data.rows import Rows
from straightline.families import FAMILIES, Family
from straightline.regression import exact
from tests.families.cases import (
    CLASSES,
    every_family,
    families_of_one_output,
    labels_of,
    log_link_families,
    predictors_of,
)

PREDICTORS = np.linspace(-6, 6, 49)
ROWS = 60
some_shares = st.lists(st.floats(0.001, 0.999), min_size=CLASSES, max_size=CLASSES)


def weights_of(rows: int, seed: int) -> NDArray:
    return np.random.default_rng([seed, 2]).integers(1, 6, rows).astype(float)


def offset_of(rows: int, seed: int) -> NDArray:
    return np.random.default_rng([seed, 3]).normal(size=rows)


@families_of_one_output
def test_residual_and_curvature_are_the_derivatives_of_the_loss(family: Family) -> None:
    labels, step = labels_of(family, len(PREDICTORS)), 1e-3

    def losses(move: float) -> NDArray:
        return family.predictor_losses(PREDICTORS + move, labels) / family.loss_factor

    below, here, above = map(losses, (-step, 0.0, step))
    found = family.newton(PREDICTORS, labels)
    np.testing.assert_allclose(found.residual, (below - above) / (2 * step), rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(found.curvature, (below - 2 * here + above) / step**2, rtol=1e-5, atol=1e-7)


def test_the_curvature_of_classes_is_no_array_of_rows() -> None:
    with pytest.raises(TypeError, match="a matrix for each row"):
        FAMILIES["multinomial"].newton(np.zeros((3, 2)), np.zeros(3))


@families_of_one_output
def test_the_information_is_the_expected_curvature_and_the_variance_that_of_labels(family: Family) -> None:
    rows, scale = 200_000, 0.7
    for level in (-1.0, 0.3):
        predictor = np.full(rows, level)
        labels = family.draw(predictor, family.noises[0], scale, np.random.default_rng(0))
        curvature = family.newton(predictor, labels).curvature
        error = curvature.std() / np.sqrt(rows)
        assert curvature.mean() == pytest.approx(family.information(predictor, labels)[0], abs=4 * error + 1e-9)
        if family.name == "bernoulli":  # whose variance no dispersion is compared with
            continue
        dispersion = scale**2 if family.has_dispersion else 1.0
        expected = dispersion * family.variance(family.inverse_link(predictor))[0]
        squares = (labels - family.inverse_link(predictor)) ** 2
        assert squares.mean() == pytest.approx(expected, abs=4 * squares.std() / np.sqrt(rows))


@every_family
@given(shares=some_shares)
def test_the_inverse_link_undoes_the_link(family: Family, shares: list[float]) -> None:
    mean = shares[0] if family.outputs == 1 else np.array(shares) / sum(shares)
    np.testing.assert_allclose(family.inverse_link(np.array([family.link(mean)]))[0], mean, rtol=1e-12)


@every_family
def test_a_rows_loss_is_the_same_by_prediction_and_by_linear_predictor(family: Family) -> None:
    predictor = PREDICTORS if family.outputs == 1 else predictors_of(family, len(PREDICTORS), spread=2.0)
    labels = labels_of(family, len(PREDICTORS))
    by_predictor = family.predictor_losses(predictor, labels)
    np.testing.assert_allclose(family.row_losses(labels, family.inverse_link(predictor)), by_predictor, rtol=1e-9)
    stacked = predictor.reshape(1, len(labels), family.outputs)
    by_keras = keras.ops.convert_to_numpy(family.keras_loss(labels[np.newaxis, :, np.newaxis], stacked))
    np.testing.assert_allclose(by_keras, by_predictor[np.newaxis], rtol=1e-6, atol=1e-9)


@every_family
def test_a_prediction_that_is_the_label_has_no_loss_and_one_at_the_edge_a_finite_one(family: Family) -> None:
    labels = labels_of(family, ROWS)
    exactly = np.eye(CLASSES)[labels.astype(int)] if family.outputs > 1 else labels
    np.testing.assert_allclose(family.row_losses(labels, exactly), 0, atol=2e-7)
    # Float32 rounds an exponential to 0 below e^-104, and a probability to 1 above 1 - 2^-25.
    edge = np.roll(exactly, 1, axis=1) if family.outputs > 1 else np.where(labels > 0, 0.0, 1.0)
    assert np.isfinite(family.row_losses(labels, edge)).all()


@every_family
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_losses_and_derivatives_are_finite_far_out(family: Family, kind: str) -> None:
    far = np.array([-700.0, -100.0, 100.0, 300.0])
    labels = labels_of(family, 4)
    predictor = far if family.outputs == 1 else np.stack([far, -far, far[::-1]], axis=1)
    assert np.isfinite(family.predictor_losses(predictor, labels)).all()
    assert np.isfinite(family.inverse_link(predictor)).all()
    if family.outputs == 1:
        assert np.isfinite(family.newton(predictor, labels)).all()
    near = np.clip(predictor, -80, 80).reshape(1, 4, family.outputs).astype(kind)
    found = family.keras_loss(labels[np.newaxis, :, np.newaxis].astype(kind), near)
    assert np.isfinite(keras.ops.convert_to_numpy(found)).all()


@every_family
@given(seed=st.integers(0, 99), change=st.floats(-0.2, 0.2), weighted=st.booleans(), shifted=st.booleans())
def test_no_constant_is_better_than_the_baseline(
    family: Family, seed: int, change: float, weighted: bool, shifted: bool
) -> None:
    labels = labels_of(family, ROWS, seed)
    weights = weights_of(ROWS, seed) if weighted else None
    offset = offset_of(ROWS, seed) if shifted and family.has_offset else None
    best = family.baseline(labels, weights, offset)
    move = change * (np.random.default_rng(seed).normal(size=family.outputs) if family.outputs > 1 else 1.0)
    other = family.inverse_link(np.array([family.link(best) + move]))[0]

    def loss(constant: NDArray) -> float:
        predictions = np.broadcast_to(constant, (ROWS, *np.shape(constant)))
        return family.mean_loss(labels, family.with_offset(predictions, offset), weights)

    assert loss(best) <= loss(other) * (1 + 1e-12)


@every_family
@given(seed=st.integers(0, 99))
def test_a_weight_counts_as_so_many_rows(family: Family, seed: int) -> None:
    labels, weights, offset = labels_of(family, ROWS, seed), weights_of(ROWS, seed), offset_of(ROWS, seed)
    predictions = family.inverse_link(predictors_of(family, ROWS, seed + 1))
    copies = np.repeat(np.arange(ROWS), weights.astype(int))
    offsets = (offset, offset[copies]) if family.has_offset else (None, None)
    np.testing.assert_allclose(
        family.baseline(labels, weights, offsets[0]), family.baseline(labels[copies], None, offsets[1]), rtol=1e-12
    )
    known = family.scores(labels[copies], predictions[copies])
    for name, score in family.scores(labels, predictions, weights).items():
        assert score == pytest.approx(known[name], rel=1e-9), name


@log_link_families
@given(seed=st.integers(0, 99), constant=st.floats(0.1, 10), weighted=st.booleans())
def test_an_offset_is_a_rate_for_models_that_know_no_offset(
    family: Family, seed: int, constant: float, weighted: bool
) -> None:
    """The weighted sum of the losses of rates is that of the labels, whatever is predicted for the offset 0."""
    labels, offset = labels_of(family, ROWS, seed), offset_of(ROWS, seed)
    weights = weights_of(ROWS, seed) if weighted else None
    rates, rate_weights = family.without_offset(labels, weights, offset)
    predictions = np.full(ROWS, constant)
    of_rates = family.row_losses(rates, predictions) * (1 if rate_weights is None else rate_weights)
    of_labels = family.row_losses(labels, family.with_offset(predictions, offset)) * (1 if weights is None else weights)
    np.testing.assert_allclose(of_rates, of_labels, rtol=1e-9, atol=1e-12)


@every_family
def test_without_an_offset_nothing_changes(family: Family) -> None:
    labels = labels_of(family, ROWS)
    predictions = family.inverse_link(predictors_of(family, ROWS))
    np.testing.assert_array_equal(family.with_offset(predictions, None), predictions)
    np.testing.assert_array_equal(family.without_offset(labels, None, None)[0], labels)
    assert family.without_offset(labels, None, None)[1] is None


@pytest.mark.parametrize("name", ["gaussian", "poisson", "gamma"])
@given(scale=st.floats(1e-3, 1e3))
def test_a_loss_changes_its_unit_with_the_target(name: str, scale: float) -> None:
    family = FAMILIES[name]
    labels, predictions = labels_of(family, ROWS), family.inverse_link(predictors_of(family, ROWS, 1))
    np.testing.assert_allclose(
        family.row_losses(scale * labels, scale * predictions),
        family.loss_unit(scale) * family.row_losses(labels, predictions),
        rtol=1e-6,
        atol=1e-9 * family.loss_unit(scale),
    )


@pytest.mark.parametrize("centred", [True, False])
@every_family
def test_a_scaled_target_is_predicted_by_the_scaled_predictor(family: Family, centred: bool) -> None:
    labels, predictor = 7 * labels_of(family, ROWS), predictors_of(family, ROWS)
    center = 0.4 if family.has_offset else 0.0
    offset = offset_of(ROWS, 0) if family.has_offset else np.zeros(predictor.shape)
    if centred:
        scaling = family.target_scaling(float(labels.mean()), float(labels.std()), center)
    else:
        scaling = family.target_scaling_without_intercept(float(np.sqrt(np.mean(labels**2))), center)
    prediction = family.inverse_link(scaling.predictor_center + scaling.predictor_scale * predictor + offset)
    scaled_prediction = family.inverse_link(predictor + offset - center)
    np.testing.assert_allclose(prediction, scaling.center + scaling.scale * scaled_prediction, rtol=1e-12)


@every_family
def test_labels_are_drawn_about_the_prediction(family: Family) -> None:
    levels = np.array([-1.0, 0.0, 2.0])
    if family.outputs > 1:
        levels = np.stack([levels, levels[::-1], np.zeros(3)], axis=1)
    predictor = np.repeat(levels, 100_000, axis=0)
    for noise in family.noises:
        drawn = family.draw(predictor, noise, 0.5, np.random.default_rng(0)).reshape(3, -1)
        values = np.eye(CLASSES)[drawn.astype(int)] if family.outputs > 1 else drawn
        error = values.std(axis=1) / np.sqrt(drawn.shape[1])
        assert (abs(values.mean(axis=1) - family.inverse_link(levels)) < 4 * error).all()


def expected_losses(family: Family, mean: NDArray, predicted: NDArray, scale: float) -> NDArray:
    """Return the expected loss of each row's prediction if labels have the mean `mean`, by a formula of its own."""
    if family.name == "gaussian":
        return scale**2 + (mean - predicted) ** 2
    if family.name == "bernoulli":
        return -mean * np.log(predicted) - (1 - mean) * np.log1p(-predicted)
    if family.name == "multinomial":
        return -np.sum(mean * np.log(predicted), axis=1)
    if family.name == "poisson":
        counts = np.arange(stats.poisson.isf(1e-13, mean.max()) + 1)
        logarithms = stats.poisson.pmf(counts, mean[:, np.newaxis]) @ special.xlogy(counts, counts)
        return 2 * (logarithms - mean * np.log(predicted) - mean + predicted)
    logarithm = special.digamma(scale**-2) + np.log(mean * scale**2)
    return 2 * (np.log(predicted) - logarithm + mean / predicted - 1)


STATSMODELS = {
    "gaussian": sm.families.Gaussian(),
    "bernoulli": sm.families.Binomial(),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
}


def best_line(family: Family, features: NDArray, mean: NDArray) -> NDArray:
    """Return the predictions of the regression with the lowest expected loss, by another program than the family."""
    if family.outputs == 1:
        design = sm.add_constant(features)
        return sm.GLM(mean, design, family=STATSMODELS[family.name]).fit().predict(design)
    rows, classes = mean.shape
    numbers = np.repeat(np.arange(classes, dtype=float), rows)
    copies = Rows(np.tile(features, (classes, 1)), numbers, mean.T.ravel())
    return family.inverse_link(exact.optimum(copies, family, ["a", "b"]).predict(features))


@every_family
def test_the_curve_costs_the_best_line_the_gain(family: Family) -> None:
    features = np.random.default_rng(0).normal(size=(2000, 2))
    slopes = np.array([[0.7, -0.7], [0.2, 0.5], [-0.4, 0.1]])
    line = features @ (slopes.T if family.outputs > 1 else slopes[0])
    curve = truths.curve(features)
    scale = 0.7
    swing = family.curve_amplitude(0.2, scale, features, line, curve)
    truth = line.copy()
    truth.reshape(len(features), -1)[:, 0] += swing * curve
    mean = family.inverse_link(truth)
    straight = best_line(family, features, mean)
    best_loss, line_loss = (expected_losses(family, mean, each, scale).mean() for each in (mean, straight))
    assert 1 - best_loss / line_loss == pytest.approx(0.2, abs=1e-3)


def test_families_with_as_many_outputs_are_equal() -> None:
    """Compiled programs are kept by the settings, and these hold the family."""
    multinomial = FAMILIES["multinomial"]
    assert type(multinomial)(3) == multinomial
    assert hash(type(multinomial)(3)) == hash(multinomial)
    assert type(multinomial)(4) != multinomial
    assert len({*FAMILIES.values()}) == len(FAMILIES)
