"""The published rule: what users know each stored quote to say, exact in Decimal."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

import msgspec

from stockstream_wire import Quote

# Python's default context, spelled out: a thread or a library that changes its own must not change stored numbers.
_CONTEXT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)
_HUNDRED: Final = Decimal(100)
_FOUR: Final = Decimal(4)

_add = _CONTEXT.add
_subtract = _CONTEXT.subtract
_multiply = _CONTEXT.multiply
_divide = _CONTEXT.divide


class Published(msgspec.Struct, frozen=True, gc=False):
    """The derived fields of the published schema, not rounded; no percentage of a close at or below 0."""

    change: Decimal
    change_percent: Decimal | None
    moving_average: Decimal
    anomaly: bool


def published_fields(quote: Quote, threshold_percent: Decimal) -> Published:
    """Compute change, change in percent, the mean of open, high, low and close (the price), and the anomaly flag."""
    price, previous_close = quote.price, quote.previous_close
    change = _subtract(price, previous_close)
    change_percent = _multiply(_divide(change, previous_close), _HUNDRED) if previous_close > 0 else None
    moving_average = _divide(_add(_add(_add(quote.open, quote.high), quote.low), price), _FOUR)
    is_anomaly = change_percent is not None and abs(change_percent) > threshold_percent
    return Published(change, change_percent, moving_average, is_anomaly)
