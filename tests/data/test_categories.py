"""Columns of words that are pandas categories are read as the same columns of strings are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.data import encoding, notation
from straightline.data.schema import Feature
from straightline.data.understanding import understood_column
from straightline.errors import UserError

CELLS = ["1", " 2", "3,5", "4.5", "5 %", "$6", "red", "blue", "", "?", "NA", "-999", "2024-01-31", "31.1.2024", None]


def categories(values: pd.Series) -> pd.Series:
    """Return the column as categories in the order of their first rows."""
    codes, words = pd.factorize(values)
    return pd.Series(pd.Categorical.from_codes(codes, words), values.index)


def outcome(values: pd.Series) -> tuple[object, ...]:
    try:
        read, way, found = understood_column(values, "a", ".", True, ["-999"])
    except UserError as error:
        return (str(error),)
    return read.astype(object).where(read.notna(), None).tolist(), way, found


@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=30).filter(any))
def test_text_is_understood_alike(cells: list[str | None]) -> None:
    values = pd.Series(cells, range(5, 5 + len(cells)), dtype="str")
    assert outcome(categories(values)) == outcome(values)


@pytest.mark.parametrize("kind", [["1 %", "2 %", "3"], ["3.5", "4", None], ["1/2/2024", "3/4/2024"], ["a", "", "b"]])
def test_kinds_of_text(kind: list[str | None]) -> None:
    values = pd.Series(kind * 3, dtype="str")
    assert outcome(categories(values)) == outcome(values)


@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=30).filter(any))
def test_numbers_among_words_are_found_alike(cells: list[str | None]) -> None:
    values = pd.Series(cells, dtype="str")
    assert notation.are_numbers(categories(values)).tolist() == notation.are_numbers(values).tolist()


@given(st.lists(st.sampled_from([*CELLS, "green"]), min_size=1, max_size=30).filter(any), st.booleans())
def test_words_are_encoded_alike(cells: list[str | None], other: bool) -> None:
    values = pd.Series(cells, dtype="str")
    assert encoding.words(categories(values)).tolist() == encoding.words(values).tolist()
    feature = Feature("a", "category", None, ("blue", "red"), "red", other)
    encoded = [encoding.matrix(pd.DataFrame({"a": column}), [feature]) for column in (values, categories(values))]
    np.testing.assert_array_equal(*encoded)
