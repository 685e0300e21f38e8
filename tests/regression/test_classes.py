"""Regressions for several classes: derivatives, the choice of the reference, and columns that leave a choice."""

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import optimize

from straightline.data.rows import Rows
from straightline.data.scaling import moments
from straightline.data.source import held
from straightline.families import Multinomial
from straightline.regression import exact, ridge
from straightline.regression.coefficients import coefficient_table
from straightline.regression.multinomial import derivatives
from straightline.regression.standardized import Standardized
from tests.regression.cases import NAMES, table
from tests.regression.covariances import assert_same_covariance

FAMILY = Multinomial(4)
OUTPUTS = 3


def relabelled(rows: Rows, order: list[int]) -> Rows:
    """Return the rows whose class number n is number order[n] now."""
    return Rows(rows.features, np.array(order, float)[rows.labels.astype(int)], rows.weights)


def differences(order: list[int]) -> NDArray:
    """Return the matrix that turns predictors `(outputs,)` into those after `relabelled`."""
    classes = np.vstack([np.zeros(OUTPUTS), np.eye(OUTPUTS)])  # the predictor of each class by the old predictors
    moved = classes[np.argsort(order)]
    return moved[1:] - moved[0]


def test_derivatives_are_those_of_the_loss() -> None:
    rows = table(FAMILY, rows=30)
    design = np.column_stack([np.ones(30), rows.features - [5, 1000, 0]])
    weights = np.random.default_rng(1).normal(size=OUTPUTS * 4) / np.tile([1, 1, 100, 0.01], OUTPUTS)

    def loss(flat: NDArray) -> float:
        losses = FAMILY.predictor_losses(design @ flat.reshape(OUTPUTS, -1).T, rows.labels)
        return float(rows.weighted(losses).sum())

    def gradient_at(flat: NDArray) -> NDArray:
        return -derivatives(design, rows, FAMILY.inverse_link(design @ flat.reshape(OUTPUTS, -1).T))[0]

    _, hessian = derivatives(design, rows, FAMILY.inverse_link(design @ weights.reshape(OUTPUTS, -1).T))
    steps = 1e-5 / np.tile([1, 1, 100, 0.01], OUTPUTS)
    for number, step in enumerate(np.diag(steps)):
        slope = (loss(weights + step) - loss(weights - step)) / (2 * steps[number])
        assert gradient_at(weights)[number] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        column = (gradient_at(weights + step) - gradient_at(weights - step)) / (2 * steps[number])
        np.testing.assert_allclose(hessian[:, number], column, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 1, 0, 2], [0, 2, 3, 1]])
@pytest.mark.parametrize("options", [{}, {"robust": True}, {"sampling": True}], ids=["classical", "robust", "sampling"])
def test_the_reference_changes_differences_alone(order: list[int], options: dict[str, bool]) -> None:
    rows, matrix = table(FAMILY), differences(order)
    plain = exact.optimum(rows, FAMILY, NAMES, **options)
    other = exact.optimum(relabelled(rows, order), FAMILY, NAMES, **options)
    np.testing.assert_allclose(other.coefficients, plain.coefficients @ matrix.T, rtol=1e-6, atol=1e-8)
    both = np.kron(matrix, np.eye(4))
    assert plain.covariance is not None
    assert_same_covariance(other.covariance, both @ plain.covariance @ both.T)
    assert other.loss == pytest.approx(plain.loss, rel=1e-11)


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 1, 0, 2]])
def test_predictions_of_shrunk_lines_do_not_depend_on_the_reference(order: list[int]) -> None:
    rows, numbers = table(FAMILY), np.arange(120, dtype=np.int32)
    (plain,), (other,) = (
        ridge.paths(held(each), [numbers], FAMILY, np.array([1e-3, 0.1])) for each in (rows, relabelled(rows, order))
    )
    for line, moved in zip(plain, other, strict=True):
        np.testing.assert_allclose(
            FAMILY.inverse_link(moved.predict(rows.features))[:, order],
            FAMILY.inverse_link(line.predict(rows.features)),
            rtol=1e-6,
        )


def test_two_classes_that_are_compared_alone_may_differ_but_all_margins_agree() -> None:
    """The predicted shares sum to the numbers of rows of each class (the score of the intercepts is 0)."""
    rows = table(FAMILY)
    best = exact.optimum(rows, FAMILY, NAMES)
    expected = rows.weighted(FAMILY.inverse_link(best.predict(rows.features))).sum(axis=0)
    np.testing.assert_allclose(expected, np.bincount(rows.labels.astype(int), rows.weights), rtol=1e-9)


def test_collinear_columns_predict_alike_and_stay_blank() -> None:
    rows = table(FAMILY)
    plain = exact.optimum(rows, FAMILY, NAMES)
    doubled = np.column_stack([rows.features, 2 * rows.features[:, 0] + 1])
    found = exact.optimum(Rows(doubled, rows.labels, rows.weights), FAMILY, (*NAMES, "d"))
    np.testing.assert_allclose(found.predict(doubled), plain.predict(rows.features), rtol=1e-7, atol=1e-8)
    assert found.messages == ["a, d are collinear: their individual coefficients are not identified"]
    assert found.identified.tolist() == [[name in ("b", "c")] * OUTPUTS for name in ("Intercept", *NAMES, "d")]
    ours, known = (
        coefficient_table(each, names, np.zeros(each.coefficients.shape), 0.95, ["u", "v", "w"]).set_index("term")
        for each, names in ((found, (*NAMES, "d")), (plain, NAMES))
    )
    for column in ("estimate", "std_error", "p_value"):
        np.testing.assert_allclose(ours.loc[["b", "c"], column], known.loc[["b", "c"], column], rtol=1e-6)
    assert ours.loc[["Intercept", "a", "d"], "estimate"].isna().all()


def test_a_constant_column_is_dropped() -> None:
    rows = table(FAMILY)
    plain = exact.optimum(rows, FAMILY, NAMES)
    more = np.column_stack([rows.features[:, :1], np.full(len(rows), 3.0), rows.features[:, 1:]])
    found = exact.optimum(Rows(more, rows.labels, rows.weights), FAMILY, ("a", "same", "b", "c"))
    np.testing.assert_allclose(np.delete(found.coefficients, 2, axis=0), plain.coefficients, rtol=1e-8)
    assert (found.coefficients[2] == 0).all()
    assert found.messages == ["same is constant and carries no information"]


def test_the_table_of_coefficients_is_statsmodels() -> None:
    rows = table(FAMILY, weighted=False)
    known = sm.MNLogit(rows.labels, sm.add_constant(rows.features)).fit(method="newton", tol=1e-12, disp=0)
    found = exact.optimum(rows, FAMILY, NAMES)
    shown = coefficient_table(found, NAMES, found.coefficients, 0.95, ["u", "v", "w"])
    assert shown["class"].tolist() == ["u"] * 4 + ["v"] * 4 + ["w"] * 4
    assert shown["term"].tolist() == ["Intercept", *NAMES] * 3
    for column, values in (
        ("estimate", known.params),
        ("trained", known.params),
        ("std_error", known.bse),
        ("statistic", known.tvalues),
        ("p_value", known.pvalues),
    ):
        np.testing.assert_allclose(shown[column], np.asarray(values).T.ravel(), rtol=1e-6)
    interval = known.conf_int().reshape(-1, 2)
    np.testing.assert_allclose(shown[["ci_low", "ci_high"]], interval, rtol=1e-6, atol=1e-7)


def test_hundreds_of_coefficients_reach_their_optimum() -> None:
    """Ten classes and forty columns of very different units, some of them nearly collinear."""
    random = np.random.default_rng(0)
    family, names = Multinomial(10), [f"x{number}" for number in range(40)]
    features = random.normal(size=(3000, 40))
    features[:, 1] = features[:, 0] + 1e-3 * features[:, 1]
    predictor = features @ random.normal(scale=0.3, size=(40, 9))
    labels = family.draw(predictor, "choice", 1.0, random)
    units = 10.0 ** random.integers(-4, 5, 40)
    rows = Rows(features * units + 3 * units, labels)
    best = exact.optimum(rows, family, names)
    assert (best.method, best.covariance is not None) == ("exact", True)
    standardized = Standardized(moments(rows), outputs=9)
    gradient, _ = derivatives(standardized(rows.features), rows, family.inverse_link(best.predict(rows.features)))
    np.testing.assert_allclose(gradient / len(rows), 0, atol=1e-9)


def test_without_columns_that_matter_the_optimum_are_the_shares() -> None:
    """With a column of zeros alone the optimum is the logarithm of ratios, its variance a sum of reciprocals."""
    counts = np.array([40, 25, 10, 5])
    rows = Rows(np.zeros((80, 1)), np.repeat(np.arange(4.0), counts))
    best = exact.optimum(rows, FAMILY, ["zero"])
    np.testing.assert_allclose(best.coefficients[0], np.log(counts[1:] / counts[0]), rtol=1e-10)
    assert best.covariance is not None
    variances = np.diag(best.covariance).reshape(OUTPUTS, 2)[:, 0]
    np.testing.assert_allclose(variances, 1 / counts[1:] + 1 / counts[0], rtol=1e-7)


def test_the_shrunk_line_is_the_least_of_its_objective() -> None:
    rows, numbers = table(FAMILY, rows=60), np.arange(60, dtype=np.int32)
    ((line,),) = ridge.paths(held(rows), [numbers], FAMILY, np.array([0.05]))
    standardized = Standardized(moments(rows), outputs=OUTPUTS)
    design = standardized(rows.features)

    def objective(flat: NDArray) -> float:
        by_class = np.vstack([np.zeros(4), flat.reshape(OUTPUTS, -1)])
        losses = FAMILY.predictor_losses(design @ by_class[1:].T, rows.labels)
        centred = by_class[:, 1:] - by_class[:, 1:].mean(axis=0)
        return float(np.average(losses, weights=rows.weights) + 0.05 / 2 * np.sum(centred**2))

    best = optimize.minimize(objective, np.zeros(12), method="BFGS", options={"gtol": 1e-9})
    found = objective(standardized.weights(line.coefficients))
    assert found == pytest.approx(best.fun, rel=1e-9)
    assert found <= best.fun + 1e-10
