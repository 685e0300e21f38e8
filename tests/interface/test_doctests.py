"""The examples in docstrings of the Python interface give what they say."""

import doctest
import importlib

import pytest

import straightline as sl


@pytest.mark.parametrize("name", ["comparing", "network", "regression", "verdict"])
def test_the_examples_are_true(name: str) -> None:
    module = importlib.import_module(f"straightline.interface.{name}")
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_all_names_are_there() -> None:
    assert set(sl.__all__) <= set(dir(sl))
    assert all(getattr(sl, name) is not None for name in sl.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        sl.nothing  # noqa: B018
