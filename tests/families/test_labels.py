"""What targets a family takes, how it numbers their values, and each error and warning about them."""

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.errors import UserError
from straightline.families import FAMILIES, Family, Multinomial, family_for, family_of
from straightline.families.target import Target
from tests.families.cases import every_family, labels_of, predictors_of

LETTERS = list(string.ascii_letters)


def column(values: list, first_row: int = 1) -> pd.Series:
    """Return a column whose row numbers, counted from 1, begin with `first_row`."""
    return pd.Series(values, index=range(first_row - 1, first_row - 1 + len(values)))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["no", "yes"] * 5, "bernoulli"),
        ([0, 1] * 5, "bernoulli"),
        ([2.5, 7.0] * 5, "bernoulli"),
        ([True, False] * 5, "bernoulli"),
        (["a", "b", "c"] * 5, "multinomial"),
        (LETTERS[:30] * 2, "multinomial"),
        (LETTERS[:31] * 2, "gaussian"),
        ([0, 1, 2] * 5, "gaussian"),
        ([1.5, 2.5, 3.0] * 5, "gaussian"),
        (["1", "2", "x"] * 5, "gaussian"),  # mostly numbers: the error names the row of the word
        (list(range(40)), "gaussian"),
    ],
)
def test_the_column_says_which_family_it_is(values: list, name: str) -> None:
    assert family_for(pd.Series(values)).name == name


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_that_is_asked_for_is_taken(name: str) -> None:
    assert family_for(pd.Series([0.5, 1.5, 2.5]), name) is FAMILIES[name]


def test_a_family_has_an_output_for_each_class_but_the_reference() -> None:
    assert family_of(Target("y", "multinomial", list("abcde"))) == Multinomial(5)
    assert Multinomial(5).outputs == 4
    for name in ("bernoulli", "gaussian", "poisson", "gamma"):
        assert family_of(Target("y", name, ["a", "b"])) is FAMILIES[name]


# Numbers of classes


@given(st.lists(st.sampled_from("abcde"), min_size=30, max_size=60))
def test_the_most_frequent_class_is_the_reference_and_the_others_are_sorted(drawn: list[str]) -> None:
    values = pd.Series([*drawn, *"abc"])
    labels, classes = FAMILIES["multinomial"].labels(values, "y")
    assert classes is not None
    assert [classes[number] for number in labels] == values.tolist()
    assert classes[1:] == sorted(classes[1:])
    assert sorted(classes) == sorted(set(values))
    counts = values.value_counts()
    assert counts[classes[0]] == counts.max()
    assert classes[0] == min(name for name in classes if counts[name] == counts.max())
    assert labels.dtype == np.int64


@pytest.mark.parametrize(
    ("values", "reference", "classes"),
    [
        (["a", "b", "c"], "c", ["c", "a", "b"]),
        ([1, 2, 3], "2", [2, 1, 3]),
        ([1.0, 2.0, 3.0], "2", [2.0, 1.0, 3.0]),
        ([0.5, 2.0, 3.0], "0.5", [0.5, 2.0, 3.0]),
    ],
)
def test_a_reference_is_found_by_its_text(values: list, reference: str, classes: list) -> None:
    labels, found = FAMILIES["multinomial"].labels(pd.Series(values), "y", reference)
    assert found == classes
    assert [classes[number] for number in labels] == values


@pytest.mark.parametrize(
    ("values", "reference", "classes"),
    [
        (["no", "yes"], None, ["no", "yes"]),
        (["no", "yes"], "yes", ["yes", "no"]),
        ([True, False], "True", [True, False]),
    ],
)
def test_the_reference_of_two_classes_has_the_label_0(values: list, reference: str | None, classes: list) -> None:
    labels, found = FAMILIES["bernoulli"].labels(pd.Series(values), "y", reference)
    assert found == classes
    assert [classes[number] for number in labels] == values


def test_whole_numbers_may_be_classes() -> None:
    labels, classes = FAMILIES["multinomial"].labels(pd.Series([7, 3, 7, 5]), "y")
    assert (labels.tolist(), classes) == ([0, 1, 0, 2], [7, 3, 5])


@pytest.mark.parametrize(
    ("name", "values"), [("gaussian", [-1, 0.5, 2]), ("poisson", [0, 3, 7]), ("gamma", [0.1, 3, 7])]
)
def test_numbers_are_their_own_labels(name: str, values: list) -> None:
    labels, classes = FAMILIES[name].labels(pd.Series(values), "y")
    assert (labels.tolist(), labels.dtype, classes) == (values, np.float64, None)


# Errors

ERRORS = [
    # Classes
    (
        "bernoulli",
        [1, 2, 3],
        None,
        "y has 3 distinct values; expected two for family: bernoulli; set family: multinomial",
    ),
    ("bernoulli", ["no", "yes"], "ye", "y: has no class 'ye' to refer to; expected one such as yes"),
    (
        "multinomial",
        ["a", "b"] * 3,
        None,
        "y has 2 distinct values; expected at least 3 for family: multinomial; set family: bernoulli",
    ),
    ("multinomial", list(range(31)), None, "y has 31 classes (0, 1, 2, ...); expected at most 30: join rare classes"),
    ("multinomial", ["red", "green", "blue"], "gren", "y: has no class 'gren' to refer to; expected one such as green"),
    ("multinomial", ["red", "green", "blue"], "#", "expected one such as blue, green, red"),
    # Numbers
    (
        "gaussian",
        LETTERS[:31],
        None,
        "y has 31 different words (A, B, C, ...); expected numbers, or at most 30 classes",
    ),
    ("gaussian", ["a\nb", "c", "d"], None, "y has 3 different words (a b, c, d); expected numbers"),
    ("gaussian", ["1", "2", "x"], None, "y, row 8: expected a number, got 'x'"),
    (
        "gaussian",
        [1.0, 2.0, np.inf],
        None,
        "y: expected finite numbers, got 1 missing or infinite ones, first in row 8",
    ),
    ("gaussian", [1.0, 2.0, 3.0], "2", "y: has no classes with family: gaussian, so that there is no class '2'"),
    # Counts
    (
        "poisson",
        [0, 3, -2, -1],
        None,
        "y, row 8: -2 is negative; expected counts from 0 on for family: poisson; set family: gaussian",
    ),
    (
        "poisson",
        [0, 3, 2.5],
        None,
        "y, row 8: 2.5 is no whole number; expected counts for family: poisson; set family: "
        "gamma for positive amounts, or predict the count and give --exposure",
    ),
    ("poisson", [0.0, 3.0, np.nan], None, "y: expected finite numbers, got 1 missing or infinite ones, first in row 8"),
    ("poisson", ["1", "2", "x"], None, "y, row 8: expected a number, got 'x'"),
    ("poisson", [0, 1, 2], "1", "no classes with family: poisson"),
    ("poisson", [0, 1, 1e31], None, "y: its largest number is 1e+31, expected one from 1e-30 to 1e+30"),
    # Amounts
    (
        "gamma",
        [2, 3, 0, 0],
        None,
        "y, row 8: is 0 in 2 of 4 rows; expected amounts above 0 for family: gamma; keep the "
        "rows above 0 and predict apart whether an amount is above 0, or set family: gaussian",
    ),
    (
        "gamma",
        [2, 3, -1.5],
        None,
        "y, row 8: -1.5 is negative; expected amounts above 0 for family: gamma; set family: gaussian",
    ),
    ("gamma", ["a", "b", "c"], None, "y, row 6: expected a number, got 'a'"),
    ("gamma", [1.0, 2.0, 3.0], "2", "no classes with family: gamma"),
    ("gamma", [1e-31, 2e-31], None, "y: its largest number is 2e-31"),
]


@pytest.mark.parametrize(("name", "values", "reference", "told"), ERRORS)
def test_a_target_that_does_not_suit_is_one_clear_line(
    name: str, values: list, reference: str | None, told: str
) -> None:
    with pytest.raises(UserError) as error:
        FAMILIES[name].labels(column(values, first_row=6), "y", reference)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


# Warnings


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([60, 50, 40], []),
        ([12, 14, 14], ["y: only 40 rows for 3 classes"]),
        ([600, 50, 19], ["y: few of the 669 rows are c (19)"]),
        ([9000, 150, 19], ["y: few of the 9,169 rows are b (150), c (19)"]),
    ],
)
def test_rare_classes_are_named(counts: list[int], told: list[str]) -> None:
    labels = np.repeat(np.arange(3), counts)
    found = Multinomial(3).checks(labels, Target("y", "multinomial", ["a", "b", "c"]))
    assert list(map(str, found)) == told


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0, 1, 2], "set --family multinomial (or poisson, if they count something)"),
        ([-1, 0, 1], "set --family multinomial"),
    ],
)
def test_whole_numbers_get_a_hint(values: list, told: str) -> None:
    (hint,) = FAMILIES["gaussian"].checks(np.repeat(values, 10), Target("y", "gaussian"))
    assert str(hint).endswith(told)
    assert FAMILIES["gaussian"].checks(np.repeat(values, 9), Target("y", "gaussian")) == []


@pytest.mark.parametrize(
    ("labels", "has_hint"),
    [
        pytest.param(np.arange(60) ** 2, True, id="many small ones"),
        pytest.param(60**2 - np.arange(60) ** 2, False, id="many large ones"),
        pytest.param(np.arange(60), False, id="not skewed"),
        pytest.param(18 + np.arange(60) ** 2, False, id="far from 0"),
        pytest.param(np.arange(60) ** 2 - 1, False, id="negative"),
        pytest.param(np.arange(60) ** 2 / 2, False, id="halves"),
    ],
)
def test_whole_numbers_that_may_be_counts_get_a_hint(labels: np.ndarray, has_hint: bool) -> None:
    hints = FAMILIES["gaussian"].checks(labels.astype(float), Target("visits", "gaussian"))
    expected = "visits: whole numbers from 0 to 3,481 with many small ones, predicted as amounts; if they count "
    assert list(map(str, hints)) == ([f"{expected}something, set --family poisson"] if has_hint else [])


@every_family
def test_a_column_that_determines_the_target_is_recognised(family: Family) -> None:
    labels = labels_of(family, 80)
    random = np.random.default_rng(5)
    if family.name in ("bernoulli", "multinomial"):
        ranges = labels + random.uniform(0.1, 0.9, 80)
        assert family.is_determined_by(ranges, labels)
        assert family.is_determined_by(-ranges, labels)
        ranges[0] = ranges[labels != labels[0]][0]
        assert not family.is_determined_by(ranges, labels)
        assert family.is_determined_by(labels, labels)
        return
    assert family.is_determined_by(-3 * labels + 1, labels)
    assert not family.is_determined_by(labels + 0.1 * random.normal(size=80), labels)
    assert not family.is_determined_by(random.normal(size=80), labels)
    if family.has_offset:
        assert family.is_determined_by(np.log(labels + (labels.min() == 0)), labels + (labels.min() == 0))


# Folds


def test_strata_are_classes_and_a_fold_needs_a_row_of_each() -> None:
    labels = np.repeat([0.0, 1, 2], [9, 5, 3])
    assert Multinomial(3).strata(labels).tolist() == labels.tolist()
    assert [Multinomial(3).has_enough_for(labels, folds) for folds in (3, 4)] == [True, False]
    assert not Multinomial(4).has_enough_for(labels, 3)
    assert FAMILIES["poisson"].strata(labels) is None
    assert FAMILIES["gamma"].has_enough_for(labels, 10)


# Predictions for users


def test_predicted_classes_come_with_all_probabilities() -> None:
    family, target = Multinomial(3), Target("kind", "multinomial", ["hut", "flat", "house"])
    columns = family.predicted_columns(target, np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]))
    assert columns == {
        "kind": ["flat", "hut"],
        "probability of hut": [0.2, 0.6],
        "probability of flat": [0.5, 0.1],
        "probability of house": [0.3, 0.3],
    }


@every_family
def test_each_family_names_its_predictions_and_its_predictor(family: Family) -> None:
    target = Target("y", family.name, list("abcd")[: 2 if family.outputs == 1 else 4], exposure="years")
    predictions = family.inverse_link(predictors_of(family, 5))
    columns = family.predicted_columns(target, predictions)
    assert next(iter(columns)) == "y"
    assert {len(values) for values in columns.values()} == {5}
    name = {
        "gaussian": "y",
        "bernoulli": "log odds of y = b",
        "multinomial": "log odds of y against a",
        "poisson": "log of y per years",
        "gamma": "log of y per years",
    }[family.name]
    assert family.predictor_name(target) == name
    assert family.coefficient_unit(target) == ("log odds of the class against a" if family.outputs > 1 else name)
    names = [f"log odds of y = {each} against a" for each in "bcd"] if family.outputs > 1 else [name]
    assert family.predictor_names(target) == names
