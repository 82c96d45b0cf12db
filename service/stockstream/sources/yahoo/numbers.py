"""Yahoo's numbers as exact decimals: JSON text, doubles, and float32 in disguise."""

import math
import struct
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

# A float32 round-trips through 9 significant digits at most (IEEE 754 binary32).
_FLOAT32_MAX_DIGITS: Final = 9
_FLOAT32_MIN_DIGITS: Final = 6
# Yahoo's price hints are 2 and 4 for nearly everything; more than this is garbage, not precision.
PRICE_HINT_MAX: Final = 10
# More than that no double holds; and `int` of 1e9999999 takes minutes.
_DIGITS_MAX: Final = 308


class NotANumberError(ValueError):
    """The value is no finite number; `reason` is `not_finite` or `malformed`."""

    def __init__(self, reason: str, value: object) -> None:
        super().__init__(f"{value!r} is {reason.replace('_', ' ')}")
        self.reason = reason


def exact_decimal(value: object) -> Decimal:
    """Return a JSON number as the decimal that Yahoo wrote: 96481.414 stays 96481.414.

    Args:
        value: int, Decimal (from a decoder that kept the text) or float (whose shortest text is what was written).

    Raises:
        NotANumberError: NaN, infinity, or no number at all.
    """
    if isinstance(value, Decimal):
        decimal = value
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotANumberError("malformed", value)
    else:
        decimal = Decimal(repr(value))
    if not decimal.is_finite():
        raise NotANumberError("not_finite", value)
    if decimal.adjusted() > _DIGITS_MAX:
        raise NotANumberError("malformed", value)
    return decimal


def float32_decimal(value: float, price_hint: int | None = None) -> Decimal:
    """Return the decimal meant by a price that travelled as a 32-bit float.

    Args:
        value: The float32, widened to a double (612345.6875 where 612345.67 was meant).
        price_hint: Decimals that Yahoo quotes the symbol with; None or 0 (protobuf drops zeros, so 0 says nothing)
            takes the shortest text that is the same float32.

    Raises:
        NotANumberError: NaN or infinity, or beyond what a float32 holds.
    """
    if not math.isfinite(value):
        raise NotANumberError("not_finite", value)
    shortest = _shortest_float32(value)
    if price_hint is None or not 0 < price_hint <= PRICE_HINT_MAX:
        return shortest
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-price_hint), rounding=ROUND_HALF_EVEN)
    if not rounded and value:
        return shortest  # a hint of 2 must not make a coin at 0.004 worthless
    return rounded


def _shortest_float32(value: float) -> Decimal:
    try:
        wanted = struct.pack("<f", value)
        for digits in range(_FLOAT32_MIN_DIGITS, _FLOAT32_MAX_DIGITS):
            text = f"{value:.{digits}g}"
            if struct.pack("<f", float(text)) == wanted:
                return Decimal(text)
    except OverflowError as exc:
        raise NotANumberError("not_finite", value) from exc
    return Decimal(f"{value:.{_FLOAT32_MAX_DIGITS}g}")
