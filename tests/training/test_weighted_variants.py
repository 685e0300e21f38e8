"""Variants of every family with weights and offsets: losses of folds, coefficients, certificates and networks."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from straightline.data.training_table import TrainingTable
from straightline.families import FAMILIES
from straightline.models import Averaged, Choices, terms
from straightline.regression import exact
from straightline.training.averaging import average
from straightline.training.plan import all_rows
from straightline.training.records import Trained
from straightline.training.variants import train
from tests import builders
from tests.builders import folds, neural, regression, rows_of, training_table
from tests.regression.cases import NAMES, table
from tests.training.cases import table as case

NEW = ("multinomial", "poisson", "gamma")
FIT = builders.fit(epochs=2)
ONE_CHOICE = Averaged(
    kind="averaged",
    hidden=[2],
    activation="tanh",
    learning_rate=0.01,
    l2=0.0,
    choices=Choices(hidden=[[2]], learning_rate=[0.01], l2=[0.0]),
    members=2,
    line=None,
)


def weighted(family: str, **changes: object) -> TrainingTable:
    """Return rows whose classes have the names p, q and r if there are several."""
    of = FAMILIES[family]
    rows = table(of)
    classes = ["p", "q", "r"] if family == "multinomial" else None
    values = {"weights": rows.weights, "offset": rows.offset, "classes": classes} | changes
    return training_table(rows.features, rows.labels, family, NAMES, **values)


def trained(of: TrainingTable, settings: object, **changes: object) -> Trained:
    return train(of, settings, FIT, folds(**{"k": 3} | changes), lambda *now: None)


def weighted_mean(of: TrainingTable, rows: NDArray, prediction: NDArray) -> float:
    """Return the weighted mean loss of `rows`, to which predictions for the offset 0 are given."""
    assert of.weights is not None
    shifted = prediction if of.offset is None else prediction * np.exp(of.offset[rows])
    return float(np.average(of.family.row_losses(of.labels[rows], shifted), weights=of.weights[rows]))


def of_nothing(of: TrainingTable, train_rows: NDArray, test_rows: NDArray) -> float:
    """Return the loss of what knows no column: the weighted shares, or the mean for the exposure 1."""
    assert of.weights is not None
    labels, weights = of.labels[train_rows], of.weights[train_rows]
    if of.family.outputs > 1:
        constant: NDArray = np.bincount(labels.astype(int), weights) / weights.sum()
        return weighted_mean(of, test_rows, np.tile(constant, (len(test_rows), 1)))
    if of.offset is None:
        mean = weights @ labels / weights.sum()
    elif of.family.name == "poisson":
        mean = weights @ labels / (weights @ np.exp(of.offset[train_rows]))
    else:
        mean = weights @ (labels / np.exp(of.offset[train_rows])) / weights.sum()
    return weighted_mean(of, test_rows, np.full(len(test_rows), mean))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_regression_has_the_weighted_losses_of_its_folds(family: str) -> None:
    of, settings = weighted(family), regression()
    result = trained(of, settings)
    rows = rows_of(of)
    for number, part in enumerate(of.split.folds(len(of.labels), 3, 1, 0)):
        best = exact.optimum(rows.take(part.train), of.family, NAMES)
        prediction = of.family.inverse_link(best.predict(rows.features[part.test]))
        shown = result.folds.iloc[number]
        assert shown["loss"] == pytest.approx(weighted_mean(of, part.test, prediction), rel=1e-7)
        assert shown["mean_loss"] == pytest.approx(of_nothing(of, part.train, part.test), rel=1e-12)
    best = exact.optimum(rows, of.family, NAMES)
    assert result.coefficients is not None
    assert result.certificate is not None
    np.testing.assert_allclose(result.coefficients["estimate"], best.coefficients.T.ravel(), rtol=1e-9)
    assert result.certificate.exact_loss == pytest.approx(best.loss, rel=1e-12)
    assert result.certificate.gap > 0  # after two epochs
    assert result.certificate.dispersion == (best.dispersion if of.family.has_offset else None)
    if family == "multinomial":
        assert result.coefficients["class"].tolist() == ["q"] * 4 + ["r"] * 4


def test_sampling_weights_have_errors_of_a_survey() -> None:
    plain = weighted("poisson")
    assert plain.weights is not None
    survey = weighted("poisson", weights=plain.weights / plain.weights.mean(), sampling=True)
    result = trained(survey, regression())
    known = exact.optimum(rows_of(survey), survey.family, NAMES, sampling=True)
    assert result.certificate is not None
    assert result.coefficients is not None
    assert result.certificate.standard_errors == "sandwich"
    np.testing.assert_allclose(result.coefficients["std_error"], np.sqrt(np.diag(known.covariance)), rtol=1e-9)


def test_quasi_errors_are_those_on_request() -> None:
    of = weighted("poisson")
    result = trained(of, regression(quasi=True))
    plain = exact.optimum(rows_of(of), of.family, NAMES)
    assert plain.dispersion is not None
    assert result.coefficients is not None
    errors = np.sqrt(np.diag(plain.covariance) * plain.dispersion)
    np.testing.assert_allclose(result.coefficients["std_error"], errors, rtol=1e-9)


def test_quadratic_terms_keep_weights_and_offsets() -> None:
    of = weighted("gamma")
    result = trained(of, regression(terms="quadratic"))
    rows = rows_of(of)
    expanded = replace(rows, features=terms.values(rows.features))
    best = exact.optimum(expanded, of.family, terms.names(NAMES))
    assert result.coefficients is not None
    np.testing.assert_allclose(result.coefficients["estimate"], best.coefficients, rtol=1e-6)


@pytest.mark.parametrize("family", NEW)
def test_an_averaged_network_is_judged_by_weighted_losses(family: str) -> None:
    of = weighted(family)
    result = trained(of, ONE_CHOICE, k=2)
    assert np.isfinite(result.folds[["loss", "mean_loss"]]).all(axis=None)
    for number, part in enumerate(of.split.folds(len(of.labels), 2, 1, 0)):
        known = of_nothing(of, part.train, part.test)
        assert result.folds.iloc[number]["mean_loss"] == pytest.approx(known, rel=1e-12)
    assert np.isfinite(result.history[["loss", "val_loss"]]).all(axis=None)


@pytest.mark.parametrize("family", ["multinomial", pytest.param("gamma", marks=pytest.mark.slow)])
def test_a_single_network_is_judged_by_weighted_losses(family: str) -> None:
    of = weighted(family)
    result = trained(of, neural(hidden=[2]), k=2)
    assert np.isfinite(result.folds["loss"]).all()
    known = [of_nothing(of, part.train, part.test) for part in of.split.folds(len(of.labels), 2, 1, 0)]
    np.testing.assert_allclose(result.folds["mean_loss"], known, rtol=1e-12)


@pytest.mark.parametrize("family", ["poisson", pytest.param("multinomial", marks=pytest.mark.slow)])
def test_the_choice_of_an_averaged_network_weighs_rows_as_copies(family: str) -> None:
    """Twice the weights are twice the rows, which trains the same members and the same line."""
    rows = case(family, weighted=True)
    weights = rows.weights
    assert weights is not None
    tables = [
        training_table(rows.features, rows.labels, family, weights=each, offset=rows.offset)
        for each in (weights, 2 * weights)
    ]
    found = [average(each, [all_rows(each)], ONE_CHOICE, FIT, lambda *now: None)[0] for each in tables]
    np.testing.assert_allclose(found[0].line.coefficients, found[1].line.coefficients, rtol=1e-9)
    for one, other in zip(found[0].members, found[1].members, strict=True):
        np.testing.assert_allclose(one.monitored, other.monitored, rtol=1e-9)
