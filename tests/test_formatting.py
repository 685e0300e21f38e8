"""Numbers as a reader sees them: known answers, and right to four digits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline import formatting
from straightline.formatting import percent

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)

UPRIGHT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-", ",\N{NO-BREAK SPACE}%")


def value(text: str) -> float:
    """Return the number that `formatting.number` shows."""
    mantissa, _, exponent = text.translate(UPRIGHT).partition("×10")
    return float(mantissa) * 10.0 ** int(exponent or 0)


@pytest.mark.parametrize(
    ("given_value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.000"),
        (0.45, "0.4500"),
        (-0.0011599, "−0.001160"),
        (0.00009999, "9.999 × 10⁻⁵"),
        (0.000099999, "0.0001000"),
        (4.0866e-08, "4.087 × 10⁻⁸"),
        (-1.5e300, "−1.500 × 10³⁰⁰"),
        (9.99996, "10.00"),
        (1234.56, "1,235"),
        (25000, "25,000"),
        (0.99999712, "0.9999971"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number_known_answers(given_value: float | None, shown: str) -> None:
    assert formatting.number(given_value).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.05, "5.0 %"), (-0.123, "-12.3 %"), (0.9999980, "99.9998 %"), (1.0, "100.0 %"), (0.0, "0.0 %")],
)
def test_percent_known_answers(share: float, shown: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == shown
    assert percent(None) == "unbounded"


@given(NUMBERS)
def test_number_is_right_to_four_digits(given_value: float) -> None:
    assert value(formatting.number(given_value)) == pytest.approx(given_value, rel=5.001e-4, abs=1e-307)
