"""What a source refuses of a quote that is well formed: the wire's rules, which the consumer has too. Pure.

NaN, and prices that the kind of instrument has not, are refused by the mapping; time running backwards by the gate.
"""

from decimal import Decimal

from stockstream.sources.base import Rejection
from stockstream_wire import Quote, bad_tick, is_ahead_of_clock
from stockstream_wire.market_rules import AHEAD_OF_CLOCK_MAX_SECONDS, MAX_PRICE_RATIO


def refusal(quote: Quote, max_ratio: Decimal = MAX_PRICE_RATIO) -> Rejection | None:
    """Return the rejection of a quote that cannot be right, or None.

    Args:
        quote: A valid quote.
        max_ratio: Largest credible ratio of price and previous close, either way round; above 1.
    """
    if quote.polled_at is not None:
        ahead = ahead_of_clock(quote.symbol, quote.timestamp, quote.polled_at)
        if ahead is not None:
            return ahead
    found = bad_tick(quote, max_ratio)
    return None if found is None else Rejection(quote.symbol, *found)


def ahead_of_clock(symbol: str, timestamp: str, polled_at: str) -> Rejection | None:
    """Return the rejection of an event that is yet to come, or None; both times in the wire's form."""
    if not is_ahead_of_clock(timestamp, polled_at):
        return None
    return Rejection(
        symbol,
        "time_in_future",
        f"timestamp={timestamp} is over {AHEAD_OF_CLOCK_MAX_SECONDS} s after polled_at={polled_at}. "
        "If every symbol is, this machine's clock is behind",
    )
