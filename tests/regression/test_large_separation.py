"""Separated labels of tables that are read in passes: what is found is the same as with all rows in memory."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from straightline.data import source
from straightline.data.passes import Pass, in_step, restricted
from straightline.data.rows import Rows
from straightline.data.scaling import Moments, joined, moments
from straightline.data.source import held_in_groups
from straightline.families import FAMILIES, Family, Multinomial
from straightline.regression import estimation, exact, large_separation
from straightline.regression.large_separation import separating_in_passes
from straightline.regression.optimum import Inference, Optimum
from straightline.regression.separation import SEPARATES, Contrasts, Separation, separating
from straightline.regression.standardized import Standardized

SEPARABLE = [FAMILIES["bernoulli"], Multinomial(3), FAMILIES["poisson"]]
every_family = pytest.mark.parametrize("family", SEPARABLE, ids=lambda family: family.name)
SLOPES = np.array([[0.5, -0.3], [0.2, 0.4], [-0.4, 0.1]])
NAMES = ["a", "b", "c", "level", "sum", "one"]
CLASSES = ["no", "yes", "perhaps"]
CLASSICAL = Inference()


@contextmanager
def few_rows_are_many(groups: int = 37) -> Iterator[None]:
    """Let tables of more than 50 rows count as large, in groups of so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimation, "LARGE_ROWS", 50)
        patch.setattr(source, "MANY_ROWS", 50)
        patch.setattr(source, "GROUP_ROWS", groups)
        patch.setattr(large_separation, "AT_ONCE", 30)
        yield


def drawn(family: Family, kind: str, weighted: bool = False, rows: int = 600, share: float = 0.1) -> Rows:
    """Return rows with a level of a column, in which all labels are 0 (or of the last class, if that is the `kind`)."""
    random = np.random.default_rng(3)
    scaled = random.normal(size=(rows, 3))
    level = random.random(rows) < share
    offset = random.normal(size=rows) * 0.3 if family.has_offset else None
    predictor = (scaled @ SLOPES)[:, : family.outputs]
    labels = family.draw(predictor if family.outputs > 1 else predictor[:, 0], family.noises[0], 1.0, random)
    last = 0.0 if family.is_count else float(family.outputs)
    labels[level] = last if kind == "last" else 0.0
    columns = [scaled * [1, 100, 0.01] + [0, 1000, 5], level]
    if kind == "collinear":
        columns += [columns[0] @ [1, -2, 0], np.ones(rows)]
    if kind == "complete":
        bounds = [-0.4, 0.5][: family.outputs]
        labels = np.zeros(rows) if family.is_count else np.digitize(scaled[:, 0], bounds).astype(float)
    weights = random.integers(1, 4, rows) * 1.0 if weighted else None
    return Rows(np.asfortranarray(np.column_stack(columns)), labels, weights, offset)


def both(
    rows: Rows, family: Family, intercept: bool = True, inference: Inference = CLASSICAL
) -> tuple[Optimum, Optimum]:
    """Return the optimum in passes over groups, and that of the rows in memory."""
    numbers, names = np.arange(len(rows), dtype=np.int32), NAMES[: rows.features.shape[1]]
    classes = CLASSES if family.outputs > 1 else None

    def optimum() -> Optimum:
        table = held_in_groups(rows)
        return exact.optima(table, [numbers], family, names, inference=inference, intercept=intercept, classes=classes)[
            0
        ]

    with few_rows_are_many():
        found = optimum()
    return found, optimum()


def assert_same(found: Optimum, known: Optimum, family: Family, rows: Rows) -> None:
    assert (found.method, found.messages, found.errors) == (known.method, known.messages, known.errors)
    assert found.identified.tolist() == known.identified.tolist()
    np.testing.assert_allclose(found.estimates, known.estimates, rtol=1e-8)
    assert found.degrees_of_freedom == known.degrees_of_freedom
    assert (found.dispersion is None) == (known.dispersion is None)
    if known.dispersion is not None:
        assert found.dispersion == pytest.approx(known.dispersion, rel=1e-8)
    assert (found.covariance is None) == (known.covariance is None)
    if known.covariance is not None and found.covariance is not None:
        finite = np.flatnonzero(known.identified.T.ravel())
        errors = np.sqrt(np.diag(known.covariance)[finite])
        difference = (found.covariance - known.covariance)[np.ix_(finite, finite)] / np.outer(errors, errors)
        assert np.abs(difference).max(initial=0.0) < 1e-8
    # In memory, the steps to the penalised estimate end where the likelihood hardly changes, some digits before.
    predicted, expected = (family.inverse_link(each.predict(rows.features)) for each in (found, known))
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)
    assert found.loss == pytest.approx(known.loss, rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("kind", ["first", "last", "collinear", "complete"])
@every_family
def test_equals_the_rows_in_memory(family: Family, kind: str, weighted: bool) -> None:
    rows = drawn(family, kind, weighted)
    found, known = both(rows, family)
    assert found.method == "firth"
    assert_same(found, known, family, rows)


@pytest.mark.parametrize(
    "inference", [Inference(robust=True), Inference(sampling=True), Inference(quasi=True)], ids=str
)
@every_family
def test_other_standard_errors(family: Family, inference: Inference) -> None:
    rows = drawn(family, "first", weighted=True)
    assert_same(*both(rows, family, inference=inference), family, rows)


@every_family
def test_without_an_intercept(family: Family) -> None:
    rows = drawn(family, "first")
    assert_same(*both(rows, family, intercept=False), family, rows)


@every_family
@pytest.mark.slow
def test_a_rare_level(family: Family) -> None:
    """A level with three rows of 3,000, all in one group or far from each other, is the usual case."""
    for places in ([1500, 1501, 1502], [0, 1400, 2999]):
        rows = drawn(family, "first", rows=3_000, share=0.0)
        rows.features[places, 3] = 1.0
        rows.labels[places] = 0.0
        found, known = both(rows, family)
        assert found.messages[0].startswith(
            "the count is 0 in all rows with certain values of level" if family.is_count else "the classes of some rows"
        )
        assert_same(found, known, family, rows)


def test_what_is_left_may_be_separated_too() -> None:
    """Two levels, of which the second separates only rows that the first one leaves, and a steep but finite slope."""
    family = FAMILIES["bernoulli"]
    rows = drawn(family, "first")
    other = np.random.default_rng(8).random(len(rows)) < 0.1
    labels = np.where(other & (rows.features[:, 3] == 0), 1.0, rows.labels)
    rows = replace(rows, labels=labels, features=np.column_stack([rows.features, other]))
    assert_same(*both(rows, family), family, rows)


def test_large_linear_predictors_without_separation() -> None:
    """Two rows that overlap by little leave a finite optimum with log odds of hundreds."""
    x = np.linspace(-1, 1, 400)
    labels = (x > 0).astype(float)
    labels[[199, 200]] = labels[[200, 199]]
    rows = Rows(np.column_stack([x, np.cos(9 * x)]), labels)
    found, known = both(rows, FAMILIES["bernoulli"])
    assert np.abs(known.predict(rows.features)).max() > estimation.SUSPICIOUS_LOG_ODDS
    assert found.method == known.method == "exact"
    np.testing.assert_allclose(found.coefficients, known.coefficients, rtol=1e-8, atol=1e-8)


# Closed forms (Firth 1993, section 3.1): half a row is added to each class, or half to the count, of each group.


@pytest.mark.parametrize("outputs", [1, 2])
def test_groups_of_classes_get_half_a_row_each(outputs: int) -> None:
    family = FAMILIES["bernoulli"] if outputs == 1 else Multinomial(3)
    counts = np.array([[60, 0, 3], [20, 50, 0]])[:, : outputs + 1]  # of classes, by group
    group, labels = (np.repeat(places, counts.ravel()) for places in np.indices(counts.shape).reshape(2, -1))
    with few_rows_are_many(10):
        best = exact.optimum(Rows(group[:, np.newaxis] * 1.0, labels * 1.0), family, ["second"])
    shares = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 0.5 * (outputs + 1))
    predicted = family.inverse_link(best.predict(np.array([[0.0], [1.0]])))
    np.testing.assert_allclose(predicted, shares if outputs > 1 else shares[:, 1], rtol=1e-9)


def test_groups_of_counts_get_half_a_count_each() -> None:
    random = np.random.default_rng(0)
    group, exposure, weights = np.arange(200) % 2, random.uniform(1, 4, 200), random.integers(1, 4, 200) * 1.0
    labels = random.poisson(exposure) * (1.0 - group)
    with few_rows_are_many():
        best = exact.optimum(
            Rows(group[:, np.newaxis] * 1.0, labels, weights, np.log(exposure)), FAMILIES["poisson"], ["group"]
        )
    expected = [
        ((weights * labels)[group == each].sum() + 0.5) / (weights * exposure)[group == each].sum() for each in (0, 1)
    ]
    np.testing.assert_allclose(np.exp(best.predict(np.array([[0.0], [1.0]]))), expected, rtol=1e-9)


# Directions


def directions(rows: Rows, family: Family) -> tuple[Separation | None, Separation | None, NDArray]:
    """Return the separation in passes, that of the rows in memory, and the standardised rows."""
    standardized = Standardized(moments(rows), outputs=family.outputs)
    start = np.zeros(family.outputs * len(standardized.kept))
    with few_rows_are_many(20):
        search = separating_in_passes(standardized, family, start, len(rows))
        (found,) = in_step(held_in_groups(rows), [np.arange(len(rows), dtype=np.int32)], [search], "separation")
    design = standardized(rows.features)
    return found, separating(design, rows, family), design


@every_family
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 5), steep=st.floats(0, 20))
def test_the_directions_are_those_of_all_rows(family: Family, seed: int, levels: int, steep: float) -> None:
    """The best direction may not be the only one, but how much it separates is known."""
    random = np.random.default_rng(seed)
    features = random.integers(0, levels, (150, 3)) * 1.0
    predictor = steep * ((features - 0.5) @ SLOPES)[:, : family.outputs]
    predictor = np.minimum(predictor, 3.0) if family.is_count else predictor
    labels = family.draw(predictor if family.outputs > 1 else predictor[:, 0], family.noises[0], 1.0, random)
    rows = Rows(features, labels)
    found, known, design = directions(rows, family)
    assert (found is None) == (known is None)
    if found is None or known is None:
        return
    contrasts = Contrasts.of(design, labels, family)
    assert found.complete == known.complete
    first, of_all = (contrasts.times(each.directions[0]) for each in (found, known))
    assert first.min() > -1e-8
    assert first.max() > SEPARATES
    if len(found.directions) == 1 and first.min() > SEPARATES:
        slopes = [np.abs(each.directions.reshape(-1, 4)[:, 1:]).sum() for each in (found, known)]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-5)
    else:
        assert first.sum() == pytest.approx(of_all.sum(), rel=1e-7)


def test_passes_over_some_rows_are_those_over_their_copy() -> None:
    """Groups without such a row have no result, which changes nothing."""
    rows = drawn(FAMILIES["poisson"], "first", weighted=True)
    kept = rows.features[:, 3] > 0
    kept[:200] = False

    def computation() -> Generator[Pass, Moments, Moments]:
        return (yield Pass(moments, joined))

    with few_rows_are_many():
        table = held_in_groups(rows)
        some = restricted(computation(), lambda part: (part.features[:, 3] > 0) & np.isin(part.labels, rows.labels))
        (found,) = in_step(table, [np.arange(200, len(rows), dtype=np.int32)], [some], "moments")
    known = moments(rows.take(np.flatnonzero(kept).astype(np.int32)))
    assert found.rows == known.rows
    np.testing.assert_allclose(found.means, known.means, rtol=1e-12)
    np.testing.assert_allclose(found.squares, known.squares, rtol=1e-10, atol=1e-12)
