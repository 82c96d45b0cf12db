"""What is a bad tick, too far ahead of the clock, too old to ring: one rule for sources, gate and consumer.

Conservative: a real crash must pass. What a source lets through, the consumer stores; what the consumer would refuse,
a source need not send. A quote is judged by itself alone, so a redelivery is judged the same.
"""

from decimal import Decimal
from typing import Final

from stockstream_wire.instruments import guess_kind, may_be_negative
from stockstream_wire.quote import Quote
from stockstream_wire.splits import looks_split
from stockstream_wire.timestamps import timestamp_to_epoch_ms
from stockstream_wire.trading_day import is_regular

# A price outside its own quote's day range by more than this is no trade of that day (streams lag the range a little).
RANGE_SLACK_PERCENT: Final = 25
_SLACK: Final = Decimal(RANGE_SLACK_PERCENT) / 100
# From close to close within a day. Only a reverse split, its close not yet rescaled, looks like more.
MAX_PRICE_RATIO: Final = Decimal(20)
# Clocks of exchanges, of Yahoo's and of ours differ by seconds. What is ahead by more would make every true quote of
# its symbol late until its time has come.
AHEAD_OF_CLOCK_MAX_SECONDS: Final = 300
# Before the oldest series of any feed; year 1 has no local time west of Greenwich.
EARLIEST_TIMESTAMP: Final = "1900-01-01T00:00:00.000Z"
# A live feed that repeats a trade older than this has no news: a halted share, a fund, a listing that died years ago.
NEWS_MAX_AGE_SECONDS: Final = 86_400


def bad_tick(quote: Quote, max_ratio: Decimal = MAX_PRICE_RATIO) -> tuple[str, str] | None:
    """Judge a valid quote's prices against one another.

    Outside regular hours the price lies outside the session's range by design, so the range says nothing there.

    Args:
        quote: A valid quote.
        max_ratio: Largest credible ratio of price and previous close, either way round; above 1.

    Returns:
        A stable reason (`outside_range`, `absurd_ratio`) and the sentence that says what is wrong; or None.
    """
    if _is_absurd(quote, max_ratio):
        return (
            "absurd_ratio",
            f"price={quote.price} is over {max_ratio} times away from previous_close={quote.previous_close}",
        )
    price, high, low = quote.price, quote.high, quote.low
    if low <= price <= high:
        return None
    if is_regular(quote) and (price > high + abs(high) * _SLACK or price < low - abs(low) * _SLACK):
        return (
            "outside_range",
            f"price={price} is outside the day's range {low} to {high} by over {RANGE_SLACK_PERCENT}%",
        )
    return None


def _is_absurd(quote: Quote, max_ratio: Decimal) -> bool:
    price, close = quote.price, quote.previous_close
    if close > 0 and close <= price * max_ratio and price <= close * max_ratio:
        return False
    if may_be_negative(quote.kind or guess_kind(quote.symbol, quote.exchange)):
        # Near zero a ratio means nothing: WTI fell from 18.27 through 0.01 to -37.63 and came back. A slip of the point
        # is still one, held against the larger of the close and the open.
        return abs(price) > max(abs(close), abs(quote.open)) * max_ratio
    return not looks_split(quote)


def is_ahead_of_clock(timestamp: str, clock: str) -> bool:
    """Tell whether an event time lies further ahead of a clock than clocks differ.

    Args:
        timestamp: Event time, wire form.
        clock: When it was polled, or when the stream took it, wire form.
    """
    # The wire form of a time sorts as text, and nearly every quote is older than its poll.
    if timestamp <= clock:
        return False
    return timestamp_to_epoch_ms(timestamp) - timestamp_to_epoch_ms(clock) > AHEAD_OF_CLOCK_MAX_SECONDS * 1000


def is_old_news(quote: Quote) -> bool:
    """Tell whether a live source saw the quote so late that it is no news: it is stored, and rings nobody's phone.

    A quote without `polled_at` (a replayed file, a plain producer) is taken for news.
    """
    # One day's text: not a day apart. It is so of nearly every quote, and times are dear to read.
    if quote.polled_at is None or quote.polled_at[:10] == quote.timestamp[:10]:
        return False
    age_ms = timestamp_to_epoch_ms(quote.polled_at) - timestamp_to_epoch_ms(quote.timestamp)
    return age_ms > NEWS_MAX_AGE_SECONDS * 1000
