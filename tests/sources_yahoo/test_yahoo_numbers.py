import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.sources.yahoo.numbers import NotANumberError, exact_decimal, float32_decimal


def as_float32(text: str) -> float:
    (widened,) = struct.unpack("<f", struct.pack("<f", float(text)))
    return float(widened)


def test_a_float32_price_is_rounded_to_the_price_hint() -> None:
    assert as_float32("612345.67") == 612345.6875
    assert float32_decimal(612345.6875, 2) == Decimal("612345.69")
    assert float32_decimal(as_float32("244.61"), 2) == Decimal("244.61")


@pytest.mark.parametrize("hint", [None, 0, -1, 99])
def test_without_a_usable_hint_the_shortest_text_of_the_same_float32_is_taken(hint: int | None) -> None:
    assert float32_decimal(as_float32("166.69"), hint) == Decimal("166.69")


def test_a_hint_too_coarse_for_the_price_does_not_make_it_worthless() -> None:
    assert float32_decimal(as_float32("0.00412"), 2) == Decimal("0.00412")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_text_is_the_same_float32_again(value: float) -> None:
    assert as_float32(str(float32_decimal(value))) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_becomes_its_shortest_text(value: float) -> None:
    assert float(exact_decimal(value)) == value
    assert exact_decimal(value) == Decimal(repr(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("1e9999999"), "1", None, True])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(NotANumberError):
        exact_decimal(value)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1e300])
def test_what_no_float32_holds_is_refused(value: float) -> None:
    with pytest.raises(NotANumberError):
        float32_decimal(value, None)
