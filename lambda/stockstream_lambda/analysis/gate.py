"""The gate: quotes of the right shape that cannot be right. Conservative: a real crash must pass.

A refused quote goes to quarantine with its bytes, so nothing is lost by refusing; storing a decimal slip would move
candles, indicators and alerts. A quote is judged by itself alone: so a redelivery is judged the same, whatever has been
stored in between.
"""

from decimal import Decimal
from typing import Final

from stockstream_lambda.analysis.splits import PRICE_TOLERANCE, is_on_one_scale, match_ratio
from stockstream_wire import Quote

# A price outside its own quote's day range by more than this is no trade of that day (streams lag the range a little).
_RANGE_SLACK_PERCENT: Final = 25
_ABOVE_RANGE: Final = Decimal(100 + _RANGE_SLACK_PERCENT) / 100
_BELOW_RANGE: Final = Decimal(100 - _RANGE_SLACK_PERCENT) / 100
# From close to close within a day. Only a reverse split, its close not yet rescaled, looks like more.
ABSURD_RATIO: Final = Decimal(20)
# An event time so far ahead of the clock would make every later quote of the symbol late.
FUTURE_SLACK_SECONDS: Final = 2 * 86_400
# Before the oldest series of any feed; year 1 has no local time west of Greenwich.
EARLIEST_TIMESTAMP: Final = "1900-01-01T00:00:00.000Z"


def refuse(quote: Quote, latest_timestamp: str) -> str | None:
    """Judge a quote; the sentence that says what is wrong, or None.

    Args:
        quote: The quote.
        latest_timestamp: The latest event time that can be meant, as a wire timestamp: now plus some slack.
    """
    if quote.timestamp > latest_timestamp:
        return f"event time {quote.timestamp} lies in the future"
    if quote.timestamp < EARLIEST_TIMESTAMP:
        return f"event time {quote.timestamp} lies before {EARLIEST_TIMESTAMP}"
    price, previous_close = quote.price, quote.previous_close
    if min(price, previous_close, quote.open, quote.low) <= 0:
        return f"price {price} with low {quote.low} and previous close {previous_close}: not above 0"
    if price > quote.high * _ABOVE_RANGE or price < quote.low * _BELOW_RANGE:
        return f"price {price} is outside the day's range {quote.low} to {quote.high} by over {_RANGE_SLACK_PERCENT}%"
    if (price > previous_close * ABSURD_RATIO or price * ABSURD_RATIO < previous_close) and not _looks_split(quote):
        return f"price {price} is over {ABSURD_RATIO} times away from the previous close {previous_close}"
    return None


def _looks_split(quote: Quote) -> bool:
    return is_on_one_scale(quote) and match_ratio(quote.previous_close / quote.open, PRICE_TOLERANCE) is not None
