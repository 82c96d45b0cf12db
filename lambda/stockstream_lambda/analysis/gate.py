"""The gate: quotes of the right shape that cannot be right. Conservative: a real crash must pass.

A refused quote goes to quarantine with its bytes, so nothing is lost by refusing; storing a decimal slip would move
candles, indicators and alerts.
"""

from decimal import Decimal
from typing import Final

from stockstream_wire import Quote

# A price outside its own quote's day range by more than this is no trade of that day (streams lag the range a little).
_RANGE_SLACK_PERCENT: Final = 25
_ABOVE_RANGE: Final = Decimal(100 + _RANGE_SLACK_PERCENT) / 100
_BELOW_RANGE: Final = Decimal(100 - _RANGE_SLACK_PERCENT) / 100
# A decimal slip is a factor of 10 or 100; no listed share moves so far from close to close, few in a day.
ABSURD_RATIO: Final = Decimal(20)
# From tick to tick within a session.
JUMP_RATIO: Final = Decimal(10)
# A second tick this near to a refused one confirms it: then the price did go there.
_CONFIRM_RATIO: Final = Decimal("1.2")
# An event time so far ahead of the clock would make every later quote of the symbol late.
FUTURE_SLACK_SECONDS: Final = 2 * 86_400


def refuse_alone(quote: Quote, latest_timestamp: str) -> str | None:
    """Judge a quote by itself; the sentence that says what is wrong, or None.

    Args:
        quote: The quote.
        latest_timestamp: The latest event time that can be meant, as a wire timestamp: now plus some slack.
    """
    if quote.timestamp > latest_timestamp:
        return f"event time {quote.timestamp} lies in the future"
    price = quote.price
    if price > quote.high * _ABOVE_RANGE or price < quote.low * _BELOW_RANGE:
        return f"price {price} is outside the day's range {quote.low} to {quote.high} by over {_RANGE_SLACK_PERCENT}%"
    if price > quote.previous_close * ABSURD_RATIO or price * ABSURD_RATIO < quote.previous_close:
        return f"price {price} is over {ABSURD_RATIO} times away from the previous close {quote.previous_close}"
    return None


def refuse_jump(price: Decimal, last_price: Decimal, suspect_price: Decimal | None) -> str | None:
    """Judge a price against the last one of its session; a second price near a refused one is believed."""
    if price <= last_price * JUMP_RATIO and price * JUMP_RATIO >= last_price:
        return None
    if suspect_price is not None and suspect_price / _CONFIRM_RATIO <= price <= suspect_price * _CONFIRM_RATIO:
        return None
    return f"price {price} is over {JUMP_RATIO} times away from the price before it, and no other tick confirms it"
